/* SPDX-License-Identifier: Apache-2.0 */
/* What modules hold and jobs are given of the files that were opened. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "symbol/open.h"

static int set_up(void **state)
{
	return module_table_new((struct module_table **)state);
}

static int tear_down(void **state)
{
	module_table_free(*state);
	return 0;
}

static int open_null(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A file of user 1000. */
static struct target_file opened_file(void)
{
	return (struct target_file){ .fd = open_null(), .size = 7, .owner_uid = 1000 };
}

static struct module *add_module(struct module_table *t, uint64_t inode)
{
	struct module *m = module_table_file(t, 8, 1, inode, 0, "/bin/app");

	assert_non_null(m);
	return m;
}

static void job_and_module_have_descriptors_of_their_own(void **state)
{
	struct module *m = add_module(*state, 1);
	struct target_file f = opened_file();
	int own = open_done(m, 0, &f);

	assert_true(own >= 0);
	assert_int_equal(f.fd, -1);
	assert_int_equal(m->file_state, MODULE_FILE_OPEN);
	assert_int_equal(m->size, 7);
	assert_int_not_equal(own, m->fd);
	module_close_file(m);
	assert_true(fcntl(own, F_GETFD) >= 0);
	close(own);
}

static void failure_is_noted(void **state)
{
	struct module *m = add_module(*state, 1);

	assert_int_equal(open_done(m, -ESTALE, NULL), -ESTALE);
	assert_int_equal(m->file_state, MODULE_FILE_FAILED);
	assert_int_equal(m->file_error, -ESTALE);
}

static void late_failure_does_not_undo_what_others_opened(void **state)
{
	struct module *m = add_module(*state, 1);
	struct target_file f = opened_file();
	int own;

	close(open_done(m, 0, &f));
	own = open_done(m, -ENOENT, NULL);
	assert_true(own >= 0);
	assert_int_equal(m->file_state, MODULE_FILE_OPEN);
	close(own);
}

static void owner_is_known_where_a_module_had_no_room(void **state)
{
	struct target_file f = opened_file();
	struct module *m;
	int own;

	/* A number that is no open descriptor stands for open ones: the table only counts. */
	for (uint64_t i = 0; i < LIMIT_MODULE_FDS; i++)
		module_set_file(add_module(*state, 100 + i), 1 << 20, 0, 0, 0, 0, false);
	m = add_module(*state, 1);
	own = open_done(m, 0, &f);
	assert_true(own >= 0);
	assert_int_equal(m->fd, -1);
	assert_int_equal(m->owner_uid, 1000);
	close(own);
}

static void few_debug_files_are_taken_and_none_that_is_not_there(void **state)
{
	struct opened o = { 0 };
	int fds[SYMBOL_MAX_DEBUG + 2];

	(void)state;
	fds[0] = -1;
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
		fds[i] = open_null();
	opened_take(&o, fds, ARRAY_SIZE(fds));
	assert_int_equal(o.n, SYMBOL_MAX_DEBUG);
	for (size_t i = 0; i < ARRAY_SIZE(fds) - 1; i++)
		assert_int_equal(fds[i], -1);
	assert_true(fds[ARRAY_SIZE(fds) - 1] >= 0);
	close(fds[ARRAY_SIZE(fds) - 1]);
	fds[0] = o.fds[0];
	opened_deinit(&o);
	assert_int_equal(o.n, 0);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
}

static void without_a_name_no_debug_file_is_asked_for(void **state)
{
	struct module *m = add_module(*state, 1);
	struct module *vdso = module_table_pseudo(*state, MODULE_VDSO);
	const uint8_t id[] = { 1, 2 };

	assert_int_equal(open_debug(NULL, m, id, 0, "", NULL, NULL), -ENODATA);
	assert_int_equal(open_debug(NULL, vdso, id, sizeof(id), "x.debug", NULL, NULL), -ENODATA);
}

static void build_ids_are_lowercase_hexadecimal(void **state)
{
	uint8_t id[SYMBOL_MAX_BUILD_ID] = { 0x00, 0xab, 0x0f };
	char text[HEX_MAX];

	(void)state;
	hex_format(id, 3, text);
	assert_string_equal(text, "00ab0f");
	hex_format(id, SYMBOL_MAX_BUILD_ID, text);
	assert_int_equal(strlen(text), HEX_MAX - 1);
	hex_format(id, 0, text);
	assert_string_equal(text, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(job_and_module_have_descriptors_of_their_own),
		TEST(failure_is_noted),
		TEST(late_failure_does_not_undo_what_others_opened),
		TEST(owner_is_known_where_a_module_had_no_room),
		TEST(few_debug_files_are_taken_and_none_that_is_not_there),
		TEST(without_a_name_no_debug_file_is_asked_for),
		cmocka_unit_test(build_ids_are_lowercase_hexadecimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
