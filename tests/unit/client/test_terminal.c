/* SPDX-License-Identifier: Apache-2.0 */
/* What differs on a terminal: default files, no binary, pager, colours; and pipes whose reader
 * leaves. */
#include "fake_daemon.h"
#include <pty.h>

static int setup(void **state)
{
	*state = fake_new();
	fake_start(*state);
	unsetenv("PAGER");
	unsetenv("NO_COLOR");
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

/* profctl with a terminal as all of its streams; what came out of it goes to `text`. The exit code.
 */
static int on_terminal(char *text, size_t n, char **argv)
{
	int argc = 0, terminal, status;
	size_t at = 0;
	pid_t pid;

	while (argv[argc])
		argc++;
	fflush(NULL);
	pid = forkpty(&terminal, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (pid == 0)
		exit(program_main(&profctl_program, NULL, argc, argv));
	for (;;) {
		ssize_t got = read(terminal, text + at, n - 1 - at);

		/* EIO: nobody has it open any more. */
		if (got <= 0)
			break;
		at += got;
	}
	text[at] = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(terminal);
	if (strstr(text, "Sanitizer"))
		fail_msg("%s", text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool is_text(const char *s)
{
	return !strstr(s, "\x1f\x8b");
}

static void dump_writes_a_file_and_shows_the_top(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump")), 0);
	assert_non_null(strstr(text, "wrote ./cpu.all.pb.gz"));
	assert_non_null(strstr(text, "main_of_app"));
	assert_true(is_text(text));
	assert_true(there("cpu.all.pb.gz"));
	assert_false(there("cpu.all.pb.gz.old"));
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "-f", "pprof")), 0);
	assert_true(there("cpu.all.pb.gz.old"));
}

static void dump_is_named_after_its_target(void **state)
{
	char text[8192], pid[16], path[64], comm[32] = "";
	FILE *f = fopen("/proc/self/comm", "r");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%31s", comm), 1);
	fclose(f);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", pid)), 0);
	snprintf(path, sizeof(path), "cpu.%s.pb.gz", comm);
	assert_true(there(path));
	assert_int_equal(
		on_terminal(text, sizeof(text), ARGV("dump", "-u", "ssh@../x.service")), 0);
	assert_true(there("cpu.ssh_.._x.service.pb.gz"));
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "--comm", "../../etc")), 0);
	assert_true(there("cpu._._.._etc.pb.gz"));
}

static void nothing_binary_reaches_a_terminal(void **state)
{
	struct fake *f = *state;
	char text[8192];

	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "-o", "-")), 2);
	assert_non_null(strstr(text, "terminal"));
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "-o", "/dev/tty")), 2);
	assert_non_null(strstr(text, "terminal"));
	assert_int_equal(f->n_dump, 0);
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "-o", "x.pb.gz")), 0);
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("convert", "x.pb.gz")), 2);
	assert_non_null(strstr(text, "terminal"));
	assert_int_equal(
		on_terminal(text, sizeof(text), ARGV("convert", "x.pb.gz", "-f", "folded")), 0);
	assert_non_null(strstr(text, "main_of_app 20202020"));
}

static void text_goes_to_the_terminal(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "-f", "folded")), 0);
	assert_non_null(strstr(text, "main_of_app 20202020"));
	assert_false(there("cpu.all.folded"));
}

static void progress_is_for_terminals_that_can_draw(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "--seconds", "1")), 0);
	assert_non_null(strstr(text, "[###"));
	setenv("TERM", "dumb", 1);
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("dump", "--seconds", "1")), 0);
	assert_null(strstr(text, "[###"));
	assert_null(strchr(text, '\033'));
}

static void a_report_goes_through_the_pager(void **state)
{
	char text[8192];
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), 0);
	run_free(&r);
	setenv("PAGER", "sed 's/^/paged: /'", 1);
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("report", "x.pb.gz")), 0);
	assert_non_null(strstr(text, "paged: "));
	assert_int_equal(
		on_terminal(text, sizeof(text), ARGV("report", "x.pb.gz", "--no-pager")), 0);
	assert_null(strstr(text, "paged: "));
	assert_non_null(strstr(text, "main_of_app"));
	/* One that leaves at once: no complaint. */
	setenv("PAGER", "true", 1);
	assert_int_equal(on_terminal(text, sizeof(text), ARGV("report", "x.pb.gz")), 0);
	assert_string_equal(text, "");
	assert_int_equal(RUN(&r, "report", "x.pb.gz"), 0);
	assert_non_null(strstr(r.out, "main_of_app"));
	run_free(&r);
}

static void colours_are_for_those_who_want_them(void **state)
{
	char text[8192];
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), 0);
	run_free(&r);
	setenv("NO_COLOR", "1", 1);
	assert_int_equal(
		on_terminal(text, sizeof(text), ARGV("report", "--no-pager", "x.pb.gz")), 0);
	assert_null(strchr(text, '\033'));
	assert_int_equal(RUN(&r, "report", "x.pb.gz"), 0);
	assert_null(strchr(r.out, '\033'));
	run_free(&r);
	unsetenv("NO_COLOR");
	assert_int_equal(on_terminal(text, sizeof(text),
				 ARGV("report", "--no-pager", "--color=never", "x.pb.gz")),
		0);
	assert_null(strchr(text, '\033'));
}

/* Standard output is a pipe that nobody reads any more. */
static int into_closed_pipe(struct run *r, char **argv)
{
	int ends[2], argc = 0;

	while (argv[argc])
		argc++;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	*r = (struct run){ .out_fd = io_memfd("out"), .err_fd = io_memfd("err") };
	r->pid = fork();
	if (r->pid == 0) {
		dup2(ends[1], 1);
		dup2(r->err_fd, 2);
		exit(program_main(&profctl_program, NULL, argc, argv));
	}
	close(ends[1]);
	return run_end(r);
}

static void a_reader_that_leaves_ends_it_quietly(void **state)
{
	char *const commands[][6] = {
		{ (char *)"profctl", (char *)"report", (char *)"x.pb.gz" },
		{ (char *)"profctl", (char *)"convert", (char *)"x.pb.gz" },
		{ (char *)"profctl", (char *)"convert", (char *)"x.pb.gz", (char *)"-f",
			(char *)"text" },
		{ (char *)"profctl", (char *)"ps" },
		{ (char *)"profctl", (char *)"help" },
	};
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), 0);
	run_free(&r);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		assert_int_equal(into_closed_pipe(&r, (char **)commands[i]), 0);
		assert_string_equal(r.err, "");
		run_free(&r);
	}
}

static void a_folder_without_room_leaves_nothing_behind(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(mkdir("full", 0700), 0);
	assert_int_equal(RUN(&r, "dump", "-o", "full"), 1);
	assert_one_line(&r, "cannot write full: it is a folder");
	run_free(&r);
	assert_int_equal(RUN(&r, "dump", "-o", "nowhere/x.pb.gz"), 1);
	assert_one_line(&r, "cannot write nowhere/x.pb.gz: No such file or directory");
	run_free(&r);
	assert_int_equal(RUN(&r, "dump", "-o", "/dev/full"), 1);
	assert_non_null(strstr(r.err, "cannot write /dev/full: No space left on device"));
	run_free(&r);
	assert_int_equal(RUN(&r, "dump", "-o", "/dev/null"), 0);
	run_free(&r);
}

static void a_link_stays_a_link(void **state)
{
	struct run r;
	struct stat st;

	(void)state;
	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(system("touch real/x.pb.gz"), 0);
	assert_int_equal(symlink("real/x.pb.gz", "x.pb.gz"), 0);
	assert_int_equal(RUN(&r, "dump", "-o", "x.pb.gz"), 0);
	run_free(&r);
	assert_int_equal(lstat("x.pb.gz", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat("real/x.pb.gz", &st), 0);
	assert_true(st.st_size > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(dump_writes_a_file_and_shows_the_top),
		TEST(dump_is_named_after_its_target),
		TEST(nothing_binary_reaches_a_terminal),
		TEST(text_goes_to_the_terminal),
		TEST(progress_is_for_terminals_that_can_draw),
		TEST(a_report_goes_through_the_pager),
		TEST(colours_are_for_those_who_want_them),
		TEST(a_reader_that_leaves_ends_it_quietly),
		TEST(a_folder_without_room_leaves_nothing_behind),
		TEST(a_link_stays_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
