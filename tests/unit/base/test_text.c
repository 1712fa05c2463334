/* SPDX-License-Identifier: Apache-2.0 */
/* What may reach a terminal or a log: error_set, log_line and io_printable on hostile names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"

static void assert_shown(const char *text, const char *expected)
{
	char out[128];

	assert_ptr_equal(io_printable(text, out, sizeof(out)), out);
	assert_string_equal(out, expected);
}

static void plain_text_is_shown_as_it_is(void **state)
{
	(void)state;
	assert_shown("", "");
	assert_shown("kworker/0:1-events", "kworker/0:1-events");
	assert_shown("na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\xa7",
		"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\xa7");
}

static void nothing_that_moves_the_cursor_is_shown(void **state)
{
	(void)state;
	assert_shown("a\x1b[31mb", "a?[31mb");
	assert_shown("a\nb\rc\td\x7f", "a?b?c?d?");
	assert_shown("\xc2\x9b"
		     "31m",
		"?31m"); /* C1: CSI in one character */
	assert_shown("a\xe2\x80\xae"
		     "b",
		"a?b"); /* right-to-left override */
	assert_shown("a\xe2\x80\xa8"
		     "b",
		"a?b"); /* line separator */
	assert_shown("a\xe2\x81\xa6"
		     "b",
		"a?b"); /* isolate */
}

static void invalid_utf8_is_not_shown(void **state)
{
	(void)state;
	assert_shown("\x80", "?");
	assert_shown("\xc0\xaf", "??");		  /* overlong '/' */
	assert_shown("\xe0\x80\xaf", "???");	  /* overlong '/' */
	assert_shown("\xed\xa0\x80", "???");	  /* surrogate */
	assert_shown("\xf4\x90\x80\x80", "????"); /* above U+10FFFF */
	assert_shown("\xe2\x82", "??");		  /* cut */
	assert_shown("\xe2\x82x", "??x");	  /* the next character is kept */
	assert_shown("\xff\xfe", "??");
}

static void text_is_cut_between_characters(void **state)
{
	char out[5] = "####";

	(void)state;
	assert_string_equal(io_printable("abc\xe2\x82\xac", out, sizeof(out)), "abc");
	assert_string_equal(io_printable("abcdef", out, sizeof(out)), "abcd");
	assert_string_equal(io_printable("abc", out, 1), "");
	out[0] = '#';
	io_printable("abc", out, 0);
	assert_int_equal(out[0], '#');
}

static void the_first_error_is_kept(void **state)
{
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(error_set(&e, -ENOENT, EXIT_CODE_NO_TARGET, "no process %d", 7), -ENOENT);
	assert_int_equal(error_set(&e, -EIO, EXIT_CODE_FAILED, "cannot attach"), -EIO);
	assert_int_equal(e.code, EXIT_CODE_NO_TARGET);
	assert_string_equal(e.text, "no process 7");
	assert_int_equal(error_set(NULL, -EIO, EXIT_CODE_FAILED, "nobody listens"), -EIO);
}

static void an_error_is_one_safe_line(void **state)
{
	struct error e = ERROR_INIT, huge = ERROR_INIT;
	char name[2000];

	(void)state;
	error_set(&e, -1, EXIT_CODE_FAILED, "no process named '%s'", "a\n\x1b]0;x\x07");
	assert_string_equal(e.text, "no process named 'a??]0;x?'");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	error_set(&huge, -1, EXIT_CODE_FAILED, "%s", name);
	assert_int_equal(strlen(huge.text), sizeof(huge.text) - 1);
}

/* What log_line writes, with standard error replaced by a file; *ret_st is that file. */
static char *logged(enum log_level level, const char *text, bool journal)
{
	_cleanup_close_ int file = io_memfd("log");
	int saved = dup(STDERR_FILENO);
	struct stat st;
	char *data = NULL, stream[64];
	size_t n;

	assert_true(file >= 0 && saved >= 0);
	assert_int_equal(fstat(file, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino + !journal);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	log_line(level, "%s", text);
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(file, 1 << 20, &data, &n), 0);
	return data;
}

static void a_hostile_name_cannot_begin_a_line_in_the_log(void **state)
{
	_cleanup_free_ char *line = NULL;

	(void)state;
	log_set_name("profd");
	line = logged(LOG_LEVEL_WARNING, "name 'x\n<0>panic\x1b[2J\xff'", false);
	assert_string_equal(line, "profd: name 'x\\x0a<0>panic\\x1b[2J\\xff'\n");
}

static void the_journal_gets_the_level(void **state)
{
	_cleanup_free_ char *line = NULL;

	(void)state;
	log_set_name("profd");
	line = logged(LOG_LEVEL_ERROR, "cannot load", true);
	assert_string_equal(line, "<3>cannot load\n");
}

static void levels_above_the_chosen_one_are_not_written(void **state)
{
	_cleanup_free_ char *quiet = NULL, *loud = NULL;

	(void)state;
	log_set_name(NULL);
	quiet = logged(LOG_LEVEL_DEBUG, "detail", false);
	assert_string_equal(quiet, "");
	log_set_level(LOG_LEVEL_DEBUG);
	loud = logged(LOG_LEVEL_DEBUG, "detail", false);
	log_set_level(LOG_LEVEL_INFO);
	assert_string_equal(loud, "detail\n");
}

static void a_long_line_is_cut_and_still_ends(void **state)
{
	_cleanup_free_ char *line = NULL;
	char text[8192];

	(void)state;
	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set_name(NULL);
	line = logged(LOG_LEVEL_INFO, text, false);
	assert_in_range(strlen(line), 1024, 2048);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void bytes_of_no_character_are_replaced_and_the_rest_stays(void **state)
{
	char mixed[] = "a\xc3\xa9\xff\x1b\xe2\x82z\xc0\xaf\xf0\x9f\x92\xa9\xed\xa0\x80\xf0";

	(void)state;
	assert_false(text_is_utf8(mixed));
	text_make_utf8(mixed);
	assert_string_equal(mixed, "a\xc3\xa9?\x1b??z??\xf0\x9f\x92\xa9????");
	assert_true(text_is_utf8(mixed));
	assert_true(text_is_utf8(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_shown_as_it_is),
		cmocka_unit_test(nothing_that_moves_the_cursor_is_shown),
		cmocka_unit_test(invalid_utf8_is_not_shown),
		cmocka_unit_test(bytes_of_no_character_are_replaced_and_the_rest_stays),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(the_first_error_is_kept),
		cmocka_unit_test(an_error_is_one_safe_line),
		cmocka_unit_test(a_hostile_name_cannot_begin_a_line_in_the_log),
		cmocka_unit_test(the_journal_gets_the_level),
		cmocka_unit_test(levels_above_the_chosen_one_are_not_written),
		cmocka_unit_test(a_long_line_is_cut_and_still_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
