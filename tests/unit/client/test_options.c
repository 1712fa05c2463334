/* SPDX-License-Identifier: Apache-2.0 */
/* How words become options, targets and advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include "base/clock.h"
#include "client/commands.h"
#include "client/options.h"
#include "client/output.h"
#include "client/target_args.h"

#define ARGV(...) ((char *[]){ (char *)"dump", __VA_ARGS__, NULL })

static int count(char **argv)
{
	int n = 0;

	while (argv[n])
		n++;
	return n;
}

static struct options options_of(char **argv)
{
	struct options o = OPTIONS_INIT(program_verb(&profctl_program, "dump"), count(argv), argv);

	return o;
}

static void assert_next(struct options *o, int id, const char *value)
{
	struct error error = ERROR_INIT;

	assert_int_equal(options_next(o, &error), id);
	if (value)
		assert_string_equal(o->value, value);
	else
		assert_null(o->value);
}

static void values_are_attached_or_follow(void **state)
{
	struct options o = options_of(
		ARGV((char *)"-p1", (char *)"-p", (char *)"2", (char *)"--pid=3", (char *)"--pid",
			(char *)"4", (char *)"--pid=", (char *)"--comm", (char *)"--pid"));

	(void)state;
	assert_next(&o, OPTION_PID, "1");
	assert_next(&o, OPTION_PID, "2");
	assert_next(&o, OPTION_PID, "3");
	assert_next(&o, OPTION_PID, "4");
	assert_next(&o, OPTION_PID, "");
	assert_next(&o, OPTION_COMM, "--pid");
	assert_next(&o, OPTION_END, NULL);
	assert_next(&o, OPTION_END, NULL);
}

static void short_options_cluster(void **state)
{
	struct options o = options_of(ARGV((char *)"-ahp7", (char *)"-aofile"));

	(void)state;
	assert_next(&o, OPTION_ALL, NULL);
	assert_next(&o, OPTION_HELP, NULL);
	assert_next(&o, OPTION_PID, "7");
	assert_next(&o, OPTION_ALL, NULL);
	assert_next(&o, OPTION_OUTPUT, "file");
	assert_next(&o, OPTION_END, NULL);
}

static void behind_two_dashes_there_are_no_options(void **state)
{
	struct options o = options_of(
		ARGV((char *)"-", (char *)"1", (char *)"--", (char *)"-a", (char *)"--"));

	(void)state;
	assert_next(&o, OPTION_OPERAND, "-");
	assert_next(&o, OPTION_OPERAND, "1");
	assert_next(&o, OPTION_OPERAND, "-a");
	assert_true(o.ended);
	assert_next(&o, OPTION_OPERAND, "--");
	assert_next(&o, OPTION_END, NULL);
}

static void options_are_not_abbreviated(void **state)
{
	struct options o = options_of(ARGV((char *)"--out", (char *)"--", (char *)"x"));
	struct error error = ERROR_INIT;

	(void)state;
	assert_int_equal(options_next(&o, &error), -EINVAL);
	assert_int_equal(error.code, EXIT_CODE_USAGE);
	assert_non_null(strstr(error.text, "'--out'"));
}

static void the_nearest_word_is_near(void **state)
{
	static const char *const words[] = { "attach", "detach", "dump", "record", "report", NULL };

	(void)state;
	assert_string_equal(nearest_word("attahc", words), "attach");
	assert_string_equal(nearest_word("dettach", words), "detach");
	assert_string_equal(nearest_word("dum", words), "dump");
	assert_string_equal(nearest_word("reocrd", words), "record");
	assert_null(nearest_word("flame", words));
	assert_null(nearest_word("", words));
	assert_null(nearest_word("a-word-that-is-much-longer-than-any-word-there-is-here", words));
}

static int take(struct target_args *t, int id, const char *value)
{
	struct error error = ERROR_INIT;
	int r = target_args_option(t, id, value, &error);

	assert_true(r >= 0 || (r == -EINVAL && error.code == EXIT_CODE_USAGE));
	return r;
}

static void pids_are_numbers_of_processes(void **state)
{
	static const char *const bad[] = { "0", "-1", "+1", " 1", "1 ", "1x", "0x10", "", "1,",
		",1", "1,,2", "4194305", "4294967297", "18446744073709551617", "1e3", "\xd9\xa1" };
	struct target_args t = TARGET_ARGS_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(take(&t, OPTION_PID, bad[i]), -EINVAL);
	target_args_deinit(&t);
	assert_int_equal(take(&t, OPTION_PID, "12,13"), 1);
	assert_int_equal(take(&t, OPTION_OPERAND, "13"), 1);
	assert_int_equal(take(&t, OPTION_OPERAND, "4194304"), 1);
	assert_int_equal(t.n_pids, 3);
	assert_int_equal(t.pids[2], 4194304);
	target_args_deinit(&t);
}

static void a_target_is_bounded(void **state)
{
	struct target_args t = TARGET_ARGS_INIT;
	char number[16];

	(void)state;
	for (unsigned i = 1; i <= LIMIT_PIDS; i++) {
		snprintf(number, sizeof(number), "%u", i);
		assert_int_equal(take(&t, OPTION_PID, number), 1);
	}
	assert_int_equal(take(&t, OPTION_PID, "4194304"), -EINVAL);
	for (unsigned i = 0; i < TARGET_ARGS_PATTERNS; i++)
		assert_int_equal(take(&t, OPTION_COMM, "x"), 1);
	assert_int_equal(take(&t, OPTION_COMM, "x"), -EINVAL);
	target_args_deinit(&t);
}

static void a_dead_process_is_no_target(void **state)
{
	struct target_args t = TARGET_ARGS_INIT;
	struct error error = ERROR_INIT;
	pid_t pid = fork();
	char number[16], text[64];

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(number, sizeof(number), "%d", pid);
	assert_int_equal(take(&t, OPTION_PID, number), 1);
	assert_int_equal(target_args_open(&t, false, &error), -ESRCH);
	assert_int_equal(error.code, EXIT_CODE_NO_TARGET);
	snprintf(text, sizeof(text), "no process %d", pid);
	assert_string_equal(error.text, text);
	target_args_deinit(&t);
}

static void descriptors_go_with_all_pids_or_with_none(void **state)
{
	struct target_args t = TARGET_ARGS_INIT;
	struct target_message m;
	char number[16];

	(void)state;
	snprintf(number, sizeof(number), "%d", getpid());
	assert_int_equal(take(&t, OPTION_PID, number), 1);
	assert_int_equal(target_args_open(&t, false, NULL), 0);
	target_args_message(&t, &m);
	assert_int_equal(m.n_fds, 1);
	assert_int_equal(m.wire.n_pidfds, 1);
	assert_int_equal(take(&t, OPTION_PID, "4194304"), 1);
	target_args_message(&t, &m);
	assert_int_equal(m.wire.n_pids, 2);
	assert_int_equal(m.n_fds, 0);
	assert_int_equal(m.wire.n_pidfds, 0);
	target_args_deinit(&t);
}

static void a_file_name_cannot_leave_its_folder(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{ "nginx", "nginx" },
		{ "a/b", "a_b" },
		{ "..", "_." },
		{ "-rf", "_rf" },
		{ "", "_" },
		{ "a\nb\033[2J", "a_b__2J" },
		{ "db*", "db_" },
	};
	char word[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(file_word(cases[i].text, word, sizeof(word)), cases[i].word);
}

static void patterns_of_names_are_expanded(void **state)
{
	struct error error = ERROR_INIT;
	char buf[32];

	(void)state;
	assert_int_equal(output_expand("a%%b.%p.%c", 12, "sh", buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "a%b.12.sh");
	assert_int_equal(output_expand("%", 1, "x", buf, sizeof(buf), &error), -EINVAL);
	assert_int_equal(
		output_expand("%c%c%c%c", 1, "0123456789", buf, sizeof(buf), NULL), -ENAMETOOLONG);
	assert_int_equal(
		output_expand("%c", 1, "0123456789012345678901234567890", buf, sizeof(buf), NULL),
		0);
}

static void the_suffix_is_the_format(void **state)
{
	(void)state;
	assert_int_equal(output_format_of("x.pb.gz"), FORMAT_PPROF);
	assert_int_equal(output_format_of("x.folded"), FORMAT_FOLDED);
	assert_int_equal(output_format_of("x.txt"), FORMAT_TEXT);
	assert_int_equal(output_format_of("x.folded.json"), FORMAT_JSON);
	assert_int_equal(output_format_of(".json"), FORMAT_PPROF);
	assert_int_equal(output_format_of("x"), FORMAT_PPROF);
}

static void a_duration_is_more_than_nothing(void **state)
{
	uint64_t ns;

	(void)state;
	assert_int_equal(parse_duration("1.5s", "duration", &ns, NULL), 0);
	assert_int_equal(ns, 1500 * NS_PER_MS);
	assert_int_equal(parse_duration("0", "duration", &ns, NULL), -EINVAL);
	assert_int_equal(parse_duration("-1", "duration", &ns, NULL), -EINVAL);
	assert_int_equal(parse_duration("", "duration", &ns, NULL), -EINVAL);
	assert_int_equal(parse_duration("1 fortnight", "duration", &ns, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_attached_or_follow),
		cmocka_unit_test(short_options_cluster),
		cmocka_unit_test(behind_two_dashes_there_are_no_options),
		cmocka_unit_test(options_are_not_abbreviated),
		cmocka_unit_test(the_nearest_word_is_near),
		cmocka_unit_test(pids_are_numbers_of_processes),
		cmocka_unit_test(a_target_is_bounded),
		cmocka_unit_test(a_dead_process_is_no_target),
		cmocka_unit_test(descriptors_go_with_all_pids_or_with_none),
		cmocka_unit_test(a_file_name_cannot_leave_its_folder),
		cmocka_unit_test(patterns_of_names_are_expanded),
		cmocka_unit_test(the_suffix_is_the_format),
		cmocka_unit_test(a_duration_is_more_than_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
