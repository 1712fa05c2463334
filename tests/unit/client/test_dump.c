/* SPDX-License-Identifier: Apache-2.0 */
/* profctl dump against a daemon that says what it is told to. */
#include "fake_daemon.h"
#include "profile/profile.h"

static void assert_is_profile(const void *data, size_t n)
{
	struct profile *p = NULL;

	assert_int_equal(pprof_decode(data, n, &p, NULL), 0);
	assert_int_equal(profile_n_samples(p), 1);
	profile_free(p);
}

static void assert_file_is_profile(const char *path)
{
	char *data;
	size_t n;

	assert_int_equal(io_read_file(AT_FDCWD, path, 1 << 20, &data, &n), 0);
	assert_is_profile(data, n);
	free(data);
}

static int setup(void **state)
{
	*state = fake_new();
	fake_start(*state);
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

static void writes_the_profile_to_a_pipe_and_notes_to_standard_error(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "dump"), 0);
	assert_is_profile(r.out, r.out_n);
	assert_non_null(strstr(r.err, "2 samples"));
	assert_non_null(strstr(r.err, "note: 3 samples were lost"));
	assert_string_equal(f->type, "cpu");
	assert_int_equal(f->n_pids, 0);
	assert_int_equal(f->since_wall_ns, 0);
	run_free(&r);
}

static void passes_on_what_was_asked_for(void **state)
{
	struct fake *f = *state;
	struct run r;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(RUN(&r, "dump", "--since", "@1700000000", "--until=@1700000060", "--slots",
				 "-p", pid, "--comm", "ba*"),
		0);
	assert_int_equal(f->since_wall_ns, 1700000000ULL * 1000000000);
	assert_int_equal(f->until_wall_ns, 1700000060ULL * 1000000000);
	assert_true(f->slots);
	assert_int_equal(f->pid, getpid());
	assert_int_equal(f->n_fds, 1);
	assert_string_equal(f->comm, "ba*");
	run_free(&r);
	assert_int_equal(RUN(&r, "dump", "--seconds", "1.5", "-a"), 0);
	assert_int_equal(f->seconds_ns, 1500000000);
	assert_true(f->all);
	run_free(&r);
}

static void picks_the_format_by_the_suffix(void **state)
{
	static const char *const files[] = { "x.pb.gz", "x.folded", "x.txt", "x.json", "x" };
	char *text;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct run r;

		assert_int_equal(RUN(&r, "dump", "-o", (char *)files[i]), 0);
		assert_int_equal(r.out_n, 0);
		assert_non_null(strstr(r.err, files[i]));
		run_free(&r);
	}
	assert_file_is_profile("x.pb.gz");
	assert_file_is_profile("x");
	assert_int_equal(io_read_file(AT_FDCWD, "x.folded", 4096, &text, &n), 0);
	assert_non_null(strstr(text, "main_of_app "));
	free(text);
	assert_int_equal(io_read_file(AT_FDCWD, "x.json", 1 << 20, &text, &n), 0);
	assert_int_equal(text[0], '{');
	free(text);
}

static void says_what_the_daemon_says_with_its_code(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->fail_dump_code = EXIT_CODE_EMPTY;
	strcpy(f->fail_text, "nothing was collected; collect it: profctl attach 1");
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), EXIT_CODE_EMPTY);
	assert_one_line(&r, "nothing was collected; collect it");
	assert_false(there("x.pb.gz"));
	run_free(&r);
	f->fail_dump_code = EXIT_CODE_DENIED;
	strcpy(f->fail_text, "denied");
	assert_int_equal(RUN(&r, "dump"), EXIT_CODE_DENIED);
	assert_one_line(&r, "denied");
	assert_int_equal(r.out_n, 0);
	run_free(&r);
}

static void a_process_that_ended_can_be_asked_for(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "dump", "4194304"), 0);
	assert_int_equal(f->pid, 4194304);
	assert_int_equal(f->n_fds, 0);
	run_free(&r);
}

static void without_a_daemon_says_how_to_start_one(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(
		RUN(&r, "dump", "--socket", "/nonexistent/profd.sock"), EXIT_CODE_NO_DAEMON);
	assert_one_line(&r, "systemctl start profd");
	assert_non_null(strstr(r.err, "/nonexistent/profd.sock"));
	run_free(&r);
}

static void a_daemon_that_goes_away_is_an_error(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->hang_up_on_dump = true;
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), EXIT_CODE_NO_DAEMON);
	assert_one_line(&r, "closed the connection");
	assert_false(there("x.pb.gz"));
	run_free(&r);
}

static void refuses_a_profile_that_its_sender_can_still_change(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->unsealed = true;
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), EXIT_CODE_FAILED);
	assert_one_line(&r, "sealed");
	assert_false(there("x.pb.gz"));
	run_free(&r);
}

static void a_first_interrupt_writes_what_there_is(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->hang_dump = true;
	run_start(&r, ARGV("dump", "--seconds", "60", "-o", "x.pb.gz"));
	while (!f->n_dump)
		poll(NULL, 0, 5);
	kill(r.pid, SIGINT);
	assert_int_equal(run_end(&r), 0);
	assert_int_equal(f->n_cancel, 1);
	assert_true(f->cancel_finish);
	assert_file_is_profile("x.pb.gz");
	run_free(&r);
}

static void usage_errors_name_the_value_and_reach_no_daemon(void **state)
{
	struct fake *f = *state;
	static const struct {
		const char *words[4];
		int code;
		const char *part;
	} cases[] = {
		{ { "dump", "--tpye", "cpu" }, 2, "did you mean '--type'" },
		{ { "dump", "--type", "cup" }, 2, "did you mean 'cpu'" },
		{ { "dump", "--type", "" }, 2, "''" },
		{ { "dump", "0" }, 2, "'0'" },
		{ { "dump", "--pid", "-1" }, 2, "'-1'" },
		{ { "dump", "--pid=1,x" }, 2, "'x'" },
		{ { "dump", "99999999999999999999" }, 2, "'99999999999999999999'" },
		{ { "attach", "4194304" }, 4, "no process 4194304" },
		{ { "dump", "4194304", "--seconds=1" }, 4, "no process 4194304" },
		{ { "dump", "--seconds", "0" }, 2, "'0'" },
		{ { "dump", "--seconds", "1e9999" }, 2, "'1e9999'" },
		{ { "dump", "--since", "soon" }, 2, "'soon'" },
		{ { "dump", "--freq", "99" }, 2, "--seconds" },
		{ { "dump", "-f", "gif" }, 2, "'gif'" },
		{ { "dump", "--exe", "bin/x" }, 2, "'bin/x'" },
		{ { "dump", "--comm", "" }, 2, "--comm" },
		{ { "dump", "--slots=yes" }, 2, "takes no value" },
		{ { "dump", "-o" }, 2, "--output needs a value" },
		{ { "dumb" }, 2, "did you mean 'dump'" },
		{ { "xyzzy" }, 2, "attach, detach, ps, status, dump" },
		{ { "report" }, 2, "a profile file" },
		{ { "ps", "1" }, 2, "'1'" },
		{ { "status", "--feature" }, 2, "did you mean '--features'" },
		{ { "attach" }, 2, "needs a target" },
		{ { "detach" }, 2, "needs a target" },
		{ { "attach", "1", "-F0" }, 2, "'0'" },
		{ { "attach", "1", "-F", "10001" }, 2, "'10001'" },
		{ { "attach", "1", "--unwind=fo" }, 2, "did you mean 'fp'" },
		{ { "attach", "1", "-d", "-3" }, 2, "'-3'" },
		{ { "record" }, 2, "needs a command" },
		{ { "record", "--" }, 2, "no command" },
		{ { "record", "ls" }, 2, "'ls'" },
		{ { "convert" }, 2, "a profile file" },
		{ { "convert", "a", "b", "c" }, 2, "'c'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run r;

		if (RUN(&r, (char *)cases[i].words[0], (char *)cases[i].words[1],
			    (char *)cases[i].words[2], (char *)cases[i].words[3]) != cases[i].code)
			fail_msg("%s %s: exit %d: %s", cases[i].words[0], cases[i].words[1], r.code,
				r.err);
		assert_one_line(&r, cases[i].part);
		assert_int_equal(r.out_n, 0);
		run_free(&r);
	}
	assert_int_equal(f->n_connections, 0);
}

static void a_span_is_either_past_or_to_come(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "dump", "--seconds", "5", "--since", "1m"), 2);
	assert_one_line(&r, "--seconds");
	run_free(&r);
	assert_int_equal(RUN(&r, "dump", "--until", "10m", "--since", "5m"), 2);
	assert_one_line(&r, "'5m' is not before");
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(writes_the_profile_to_a_pipe_and_notes_to_standard_error),
		TEST(passes_on_what_was_asked_for),
		TEST(picks_the_format_by_the_suffix),
		TEST(says_what_the_daemon_says_with_its_code),
		TEST(a_process_that_ended_can_be_asked_for),
		TEST(without_a_daemon_says_how_to_start_one),
		TEST(a_daemon_that_goes_away_is_an_error),
		TEST(refuses_a_profile_that_its_sender_can_still_change),
		TEST(a_first_interrupt_writes_what_there_is),
		TEST(usage_errors_name_the_value_and_reach_no_daemon),
		TEST(a_span_is_either_past_or_to_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
