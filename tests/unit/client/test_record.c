/* SPDX-License-Identifier: Apache-2.0 */
/* profctl record: what becomes of the command, of its exit status, and of the profile. */
#include "fake_daemon.h"

static int setup(void **state)
{
	*state = fake_new();
	fake_start(*state);
	return 0;
}

static int setup_without_daemon(void **state)
{
	*state = fake_new();
	return 0;
}

static int teardown(void **state)
{
	unsetenv("PROFD_DAEMON");
	fake_free(*state);
	return 0;
}

static void exits_with_the_status_of_the_command(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "record", "--", "sh", "-c", "echo out; echo err >&2; exit 7"), 7);
	assert_string_equal(r.out, "out\n");
	assert_non_null(strstr(r.err, "err\n"));
	assert_true(there("cpu.sh.pb.gz"));
	assert_int_equal(f->n_attach, 1);
	assert_true(f->until_disconnect);
	run_free(&r);
	assert_int_equal(RUN(&r, "record", "--", "true"), 0);
	run_free(&r);
	assert_int_equal(RUN(&r, "record", "--", "sh", "-c", "kill -TERM $$"), 128 + SIGTERM);
	run_free(&r);
}

static void a_command_that_cannot_run_is_126_or_127(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "record", "--", "./nothing-here"), 127);
	assert_one_line(&r, "./nothing-here");
	run_free(&r);
	assert_int_equal(RUN(&r, "record", "--", "/etc"), 126);
	assert_one_line(&r, "/etc");
	run_free(&r);
	assert_false(there("cpu.etc.pb.gz"));
}

static void the_command_is_attached_before_its_first_instruction(void **state)
{
	struct fake *f = *state;
	struct run r;

	/* The fake daemon reads the comm when the request comes: it is still our fork, not `sh`. */
	assert_int_equal(RUN(&r, "record", "-F", "997", "--", "sh", "-c", "echo $$ >pid"), 0);
	assert_true(f->target_alive_at_attach);
	assert_string_not_equal(f->attached_comm, "sh\n");
	assert_int_equal(f->n_pids, 1);
	assert_int_equal(f->n_fds, 1);
	assert_int_equal(f->freq_hz, 997);
	char *text;
	size_t n;

	assert_int_equal(io_read_file(AT_FDCWD, "pid", 100, &text, &n), 0);
	assert_int_equal(atoi(text), f->pid);
	free(text);
	assert_int_equal(f->dump_attachment, 7);
	run_free(&r);
}

static void a_target_bounds_what_is_profiled_below_the_command(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "record", "--comm", "bench.test", "--", "true"), 0);
	assert_string_equal(f->comm, "bench.test");
	assert_int_equal(f->n_pids, 0);
	assert_int_equal(f->n_below, 1);
	assert_int_equal(f->n_below_fds, 1);
	assert_int_equal(f->n_fds, 1);
	assert_true(there("cpu.bench.test.pb.gz"));
	run_free(&r);
}

static void output_patterns_are_expanded(void **state)
{
	struct fake *f = *state;
	char name[64];
	struct run r;

	assert_int_equal(RUN(&r, "record", "-o", "a.%c.%p.100%%.pb.gz", "--", "true"), 0);
	snprintf(name, sizeof(name), "a.true.%u.100%%.pb.gz", f->pid);
	assert_true(there(name));
	run_free(&r);
	assert_int_equal(RUN(&r, "record", "-o", "%x", "--", "touch", "ran"), EXIT_CODE_USAGE);
	assert_one_line(&r, "'%x'");
	assert_false(there("ran"));
	run_free(&r);
}

static void the_default_file_is_kept_as_old(void **state)
{
	struct run r;
	struct stat before, after;

	(void)state;
	assert_int_equal(RUN(&r, "record", "--", "true"), 0);
	run_free(&r);
	assert_int_equal(stat("cpu.true.pb.gz", &before), 0);
	assert_false(there("cpu.true.pb.gz.old"));
	assert_int_equal(RUN(&r, "record", "--", "true"), 0);
	run_free(&r);
	assert_int_equal(stat("cpu.true.pb.gz.old", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void no_samples_are_no_failure_of_the_command(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->fail_dump_code = EXIT_CODE_EMPTY;
	strcpy(f->fail_text, "no samples");
	assert_int_equal(RUN(&r, "record", "--", "sh", "-c", "exit 3"), 3);
	assert_one_line(&r, "no samples");
	run_free(&r);
	f->fail_dump_code = EXIT_CODE_FAILED;
	strcpy(f->fail_text, "the encoder died");
	assert_int_equal(RUN(&r, "record", "--", "sh", "-c", "exit 3"), EXIT_CODE_RECORD_FAILED);
	assert_one_line(&r, "the encoder died");
	run_free(&r);
}

static void a_refused_attachment_runs_no_command(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->fail_code = EXIT_CODE_DENIED;
	strcpy(f->fail_text, "denied");
	assert_int_equal(RUN(&r, "record", "--", "touch", "ran"), EXIT_CODE_RECORD_FAILED);
	assert_one_line(&r, "denied");
	assert_false(there("ran"));
	run_free(&r);
}

static void an_output_that_cannot_be_written_runs_no_command(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "record", "-o", "no/such/folder/x.pb.gz", "--", "touch", "ran"),
		EXIT_CODE_RECORD_FAILED);
	assert_one_line(&r, "no/such/folder/x.pb.gz: No such file or directory");
	assert_false(there("ran"));
	run_free(&r);
}

static void wait_for(const char *path)
{
	while (!there(path))
		poll(NULL, 0, 5);
}

static void a_signal_reaches_the_command_and_the_profile_is_written(void **state)
{
	struct run r;

	(void)state;
	run_start(&r, ARGV("record", "-o", "x.pb.gz", "--", "sh", "-c",
			      "trap 'exit 9' TERM; touch up; while :; do sleep 0.05; done"));
	wait_for("up");
	kill(r.pid, SIGTERM);
	assert_int_equal(run_end(&r), 9);
	assert_true(there("x.pb.gz"));
	run_free(&r);
}

static void a_second_signal_kills_the_command(void **state)
{
	struct run r;

	(void)state;
	run_start(&r, ARGV("record", "-o", "x.pb.gz", "--", "sh", "-c",
			      "trap 'touch got' INT; touch up; while :; do sleep 0.05; done"));
	wait_for("up");
	kill(r.pid, SIGINT);
	wait_for("got");
	kill(r.pid, SIGINT);
	assert_int_equal(run_end(&r), 128 + SIGKILL);
	assert_true(there("x.pb.gz"));
	run_free(&r);
}

static void after_the_duration_it_writes_and_the_command_goes_on(void **state)
{
	struct fake *f = *state;
	struct run r;

	run_start(&r, ARGV("record", "-d", "50ms", "-o", "x.pb.gz", "--", "sh", "-c",
			      "while ! test -e x.pb.gz; do sleep 0.02; done; exit 5"));
	assert_int_equal(run_end(&r), 5);
	assert_int_equal(f->n_dump, 1);
	run_free(&r);
}

static void without_a_command_it_profiles_the_target(void **state)
{
	struct fake *f = *state;
	struct run r;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(RUN(&r, "record", "-d", "20ms", "-o", "x.folded", pid), 0);
	assert_int_equal(f->pid, getpid());
	assert_true(f->since_wall_ns > 0);
	assert_int_equal(f->n_detach, 1);
	assert_int_equal(f->detach_id, 7);
	assert_true(there("x.folded"));
	run_free(&r);
}

static void use_this_program_as_daemon(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = 0;
	setenv("PROFD_DAEMON", self, 1);
}

static void root_without_a_daemon_runs_a_private_one(void **state)
{
	struct run r;

	(void)state;
	if (geteuid() != 0)
		skip();
	use_this_program_as_daemon();
	/* Its socket's name is gone before the command runs: a killed profctl leaves none.
	 */
	assert_int_equal(RUN(&r, "record", "-o", "x.pb.gz", "--", "sh", "-c",
				 "test -s where && ! test -e \"$(cat where)\" && echo hi; exit 4"),
		4);
	assert_string_equal(r.out, "hi\n");
	assert_true(there("x.pb.gz"));
	run_free(&r);
}

static void a_private_daemon_that_fails_says_why(void **state)
{
	struct run r;

	(void)state;
	if (geteuid() != 0)
		skip();
	use_this_program_as_daemon();
	setenv("FAKE_REFUSES", "1", 1);
	assert_int_equal(RUN(&r, "record", "--", "touch", "ran"), EXIT_CODE_RECORD_FAILED);
	assert_one_line(&r, "profctl: this kernel has no BTF");
	assert_false(there("ran"));
	run_free(&r);
	assert_int_equal(RUN(&r, "record", "-d", "1", "1"), EXIT_CODE_KERNEL);
	assert_one_line(&r, "this kernel has no BTF");
	run_free(&r);
	unsetenv("FAKE_REFUSES");
}

/* This program as `profd run --private --socket PATH`. */
static int be_daemon(int argc, char **argv)
{
	static struct fake f;
	FILE *where;

	if (argc != 5 || strcmp(argv[2], "--private") || strcmp(argv[3], "--socket") ||
		!getenv("PROFD_READY_FD"))
		return 99;
	if (getenv("FAKE_REFUSES")) {
		fprintf(stderr, "profd: starting\n<3>profd: this kernel has no BTF\n");
		return EXIT_CODE_KERNEL;
	}
	where = fopen("where", "w");
	if (!where || fprintf(where, "%s", argv[4]) < 0 || fclose(where))
		return 98;
	fake_main(&f, argv[4], atoi(getenv("PROFD_READY_FD")));
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(exits_with_the_status_of_the_command),
		TEST(a_command_that_cannot_run_is_126_or_127),
		TEST(the_command_is_attached_before_its_first_instruction),
		TEST(a_target_bounds_what_is_profiled_below_the_command),
		TEST(output_patterns_are_expanded),
		TEST(the_default_file_is_kept_as_old),
		TEST(no_samples_are_no_failure_of_the_command),
		TEST(a_refused_attachment_runs_no_command),
		TEST(an_output_that_cannot_be_written_runs_no_command),
		TEST(a_signal_reaches_the_command_and_the_profile_is_written),
		TEST(a_second_signal_kills_the_command),
		TEST(after_the_duration_it_writes_and_the_command_goes_on),
		TEST(without_a_command_it_profiles_the_target),
		cmocka_unit_test_setup_teardown(
			root_without_a_daemon_runs_a_private_one, setup_without_daemon, teardown),
		cmocka_unit_test_setup_teardown(
			a_private_daemon_that_fails_says_why, setup_without_daemon, teardown),
	};

	if (argc > 1 && !strcmp(argv[1], "run"))
		return be_daemon(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
