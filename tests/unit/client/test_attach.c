/* SPDX-License-Identifier: Apache-2.0 */
/* profctl attach, detach, ps and status against a daemon that says what it is told to. */
#include "fake_daemon.h"
#include <jansson.h>

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

static char *own_pid(void)
{
	static char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return pid;
}

static void attach_says_what_is_attached_and_how_to_dump_it(void **state)
{
	struct fake *f = *state;
	struct run r;
	char advice[64];

	assert_int_equal(RUN(&r, "attach", own_pid(), "-F", "499", "--unwind", "fp", "--event",
				 "cpu-clock", "--no-children"),
		0);
	assert_non_null(strstr(r.out, "attached --pid 1"));
	snprintf(advice, sizeof(advice), "profctl dump --type cpu --pid %s", own_pid());
	assert_non_null(strstr(r.out, advice));
	assert_int_equal(f->pid, getpid());
	assert_int_equal(f->n_fds, 1);
	assert_int_equal(f->freq_hz, 499);
	assert_string_equal(f->unwind, "fp");
	assert_string_equal(f->event, "cpu-clock");
	assert_true(f->no_children);
	assert_false(f->until_disconnect);
	assert_int_equal(f->n_dump + f->n_detach, 0);
	run_free(&r);
}

static void attach_sends_no_type_twice(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "attach", "-a", "--type", "cpu,cpu", "--type=cpu"), 0);
	assert_int_equal(f->n_types, 1);
	run_free(&r);
}

static void what_targets_are_called_cannot_reach_the_terminal(void **state)
{
	static const char *const verbs[][3] = { { "attach", "-a" }, { "detach", "-a" }, { "ps" },
		{ "ps", "--all" }, { "attach", "-a", "--json" }, { "ps", "-a", "--json" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct run r;

		assert_int_equal(
			RUN(&r, (char *)verbs[i][0], (char *)verbs[i][1], (char *)verbs[i][2]), 0);
		assert_true(r.out_n > 0);
		assert_null(memchr(r.out, '\033', r.out_n));
		assert_null(memchr(r.err, '\033', r.err_n));
		assert_null(strstr(r.out, "u001b"));
		run_free(&r);
	}
}

static void attach_with_a_duration_waits_writes_and_detaches(void **state)
{
	struct fake *f = *state;
	struct run r;

	assert_int_equal(RUN(&r, "attach", "--comm", "db*", "-d", "20ms"), 0);
	assert_true(there("cpu.db_.pb.gz"));
	assert_non_null(strstr(r.err, "wrote ./cpu.db_.pb.gz"));
	assert_int_equal(f->dump_attachment, 7);
	assert_int_equal(f->detach_id, 7);
	assert_true(f->until_disconnect);
	run_free(&r);
}

static void attach_with_an_output_ends_at_a_signal(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct fake *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct run r;

		f->n_attach = 0;
		run_start(&r, ARGV("attach", "-a", "-o", "x.folded"));
		while (!f->n_attach)
			poll(NULL, 0, 5);
		kill(r.pid, signals[i]);
		assert_int_equal(run_end(&r), 0);
		assert_true(there("x.folded"));
		unlink("x.folded");
		run_free(&r);
	}
}

static void attach_with_an_output_ends_with_the_target(void **state)
{
	pid_t target = fork();
	char pid[16];
	struct fake *f = *state;
	struct run r;

	if (target == 0) {
		pause();
		_exit(0);
	}
	snprintf(pid, sizeof(pid), "%d", target);
	run_start(&r, ARGV("attach", pid, "-o", "x.pb.gz"));
	while (!f->n_attach)
		poll(NULL, 0, 5);
	assert_false(there("x.pb.gz"));
	kill(target, SIGKILL);
	assert_int_equal(waitpid(target, NULL, 0), target);
	assert_int_equal(run_end(&r), 0);
	assert_true(there("x.pb.gz"));
	run_free(&r);
}

static void an_attachment_that_was_there_before_is_not_detached(void **state)
{
	struct fake *f = *state;
	struct run r;

	f->updated = true;
	assert_int_equal(RUN(&r, "attach", "-a", "-d", "10ms"), 0);
	assert_non_null(strstr(r.err, "updated"));
	assert_int_equal(f->n_detach, 0);
	run_free(&r);
}

static void the_profile_is_saved_when_its_file_cannot_be_written(void **state)
{
	struct fake *f = *state;
	char command[256];
	struct run r;

	/* The folder goes away while it waits: what was collected must not. */
	assert_int_equal(mkdir("gone", 0700), 0);
	run_start(&r, ARGV("attach", "-a", "-o", "gone/x.pb.gz"));
	while (!f->n_attach)
		poll(NULL, 0, 5);
	assert_int_equal(rmdir("gone"), 0);
	kill(r.pid, SIGINT);
	assert_int_equal(run_end(&r), EXIT_CODE_FAILED);
	assert_non_null(strstr(r.err, "cannot write gone/x.pb.gz: No such file or directory; "
				      "the profile was saved as "));
	snprintf(command, sizeof(command), "ls %s/profctl.*.pb.gz >/dev/null", f->dir);
	assert_int_equal(system(command), 0);
	run_free(&r);
}

static json_t *parse_json(const struct run *r)
{
	json_t *j = json_loadb(r->out, r->out_n, 0, NULL);

	assert_non_null(j);
	return j;
}

static void json_is_json(void **state)
{
	struct run r;
	json_t *j;

	(void)state;
	assert_int_equal(RUN(&r, "ps", "--all", "--json"), 0);
	j = parse_json(&r);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(j, "attachments"), 0), "id")),
		7);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(j, "processes"), 0), "runtime")),
		"go1.19.8");
	json_decref(j);
	run_free(&r);
	assert_int_equal(RUN(&r, "status", "--json", "--features"), 0);
	j = parse_json(&r);
	assert_string_equal(json_string_value(json_object_get(j, "state")), "ok");
	json_decref(j);
	run_free(&r);
	assert_int_equal(RUN(&r, "attach", "--json", "-a"), 0);
	j = parse_json(&r);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(j, "attachment"), "freq_hz")),
		99);
	json_decref(j);
	run_free(&r);
	assert_int_equal(RUN(&r, "detach", "--json", "-a"), 0);
	j = parse_json(&r);
	assert_int_equal(json_array_size(json_object_get(j, "detached")), 1);
	json_decref(j);
	run_free(&r);
}

static void tables_have_a_header_and_align(void **state)
{
	struct run r;
	const char *row;

	(void)state;
	assert_int_equal(RUN(&r, "ps", "--all"), 0);
	assert_int_equal(strncmp(r.out, "PID  PPID  COMM", 15), 0);
	assert_non_null(strstr(r.out, "OWNER  RUNTIME   EXE\n"));
	row = strchr(r.out, '\n') + 1;
	assert_int_equal(strncmp(row, "  1     0  evil?[2J", 19), 0);
	assert_int_equal(strstr(r.out, "EXE") - r.out, strstr(row, "/sbin/init") - row);
	run_free(&r);
	assert_int_equal(RUN(&r, "ps"), 0);
	assert_int_equal(strncmp(r.out, "ID  TARGET", 10), 0);
	run_free(&r);
}

static void status_says_the_state_first(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "status"), 0);
	assert_int_equal(strncmp(r.out, "state", 5), 0);
	assert_non_null(strstr(r.out, "ok\n"));
	run_free(&r);
}

static void a_full_standard_output_is_an_error(void **state)
{
	struct run r = { .out_fd = open("/dev/full", O_WRONLY), .err_fd = io_memfd("err") };
	char *argv[] = { (char *)"profctl", (char *)"ps", NULL };
	int status;

	(void)state;
	r.pid = fork();
	if (r.pid == 0) {
		dup2(r.out_fd, 1);
		dup2(r.err_fd, 2);
		exit(program_main(&profctl_program, NULL, 2, argv));
	}
	assert_int_equal(waitpid(r.pid, &status, 0), r.pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	lseek(r.err_fd, 0, SEEK_SET);
	assert_int_equal(io_read_fd(r.err_fd, 4096, &r.err, &r.err_n), 0);
	assert_one_line(&r, "No space left on device");
	close(r.out_fd);
	close(r.err_fd);
	run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(attach_says_what_is_attached_and_how_to_dump_it),
		TEST(attach_sends_no_type_twice),
		TEST(what_targets_are_called_cannot_reach_the_terminal),
		TEST(attach_with_a_duration_waits_writes_and_detaches),
		TEST(attach_with_an_output_ends_at_a_signal),
		TEST(attach_with_an_output_ends_with_the_target),
		TEST(an_attachment_that_was_there_before_is_not_detached),
		TEST(the_profile_is_saved_when_its_file_cannot_be_written),
		TEST(json_is_json),
		TEST(tables_have_a_header_and_align),
		TEST(status_says_the_state_first),
		TEST(a_full_standard_output_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
