/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of helper processes: what is promised about jobs, time, death and descriptors. */
#include "helper_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/io.h"

/* Asked before the sandbox, which does not allow it. */
static pid_t own_pid;

__attribute__((constructor)) static void note_pid(void)
{
	own_pid = getpid();
}

/* The helper: 'e' echoes, 'p' says its pid, 'x' dies, 'l' loops, 's' stops itself, 'n' fails,
 * 'f' answers with the descriptor it got, 'm' with a memfd that holds "memfd", 'd' after 50 ms. */
static int serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	const char *r = req;
	pid_t pid = own_pid;

	switch (req_n > 0 ? r[0] : 0) {
	case 'e':
		memcpy(reply, req, req_n);
		return (int)req_n;
	case 'p':
		memcpy(reply, &pid, sizeof(pid));
		return sizeof(pid);
	case 'x':
		_exit(3);
	case 'l':
		for (;;)
			__asm__ volatile("");
	case 's':
		raise(SIGSTOP);
		return 0;
	case 'n':
		return -EBADMSG;
	case 'd':
		(void)poll(NULL, 0, 50);
		return 0;
	case 'f':
		if (n_fds != 1)
			return -EINVAL;
		reply_fds[0] = dup(fds[0]);
		*n_reply_fds = 1;
		return 0;
	case 'm':
		reply_fds[0] = io_memfd("test");
		*n_reply_fds = 1;
		return io_write_full(reply_fds[0], "memfd", 5);
	default:
		return -EOPNOTSUPP;
	}
}

/* The stop and the loop need signals and time, not files: the sandbox stays out of these tests by
 * using the parsing role for what it allows and the target role for the rest. */
static const helper_serve_fn serves[HELPER_ROLES] = { serve, serve, serve };

static sd_event *event;

static int setup(void **state)
{
	(void)state;
	return sd_event_new(&event) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	event = sd_event_unref(event);
	return 0;
}

static void answers_come_back_with_their_bytes(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 2, 20000, false);
	struct answer a = ask(event, p, "echo");

	assert_int_equal(a.error, 0);
	assert_int_equal(a.n, 4);
	assert_memory_equal(a.bytes, "echo", 4);
	a = ask(event, p, "n");
	assert_int_equal(a.error, -EBADMSG);
	helper_pool_free(p);
}

static void no_callback_from_within_submit(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 20000, false);
	int pending = 1;
	struct answer a = { .pending = &pending };

	assert_int_equal(helper_pool_submit(p, "e", 1, NULL, 0, on_answer, &a, NULL), 0);
	assert_int_equal(a.calls, 0);
	run_until_answered(event, &pending);
	assert_int_equal(a.calls, 1);
	helper_pool_free(p);
}

static void a_largest_message_fits_and_one_more_byte_does_not(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 20000, false);
	_cleanup_free_ char *big = malloc(LIMIT_HELPER_MESSAGE + 1);
	int pending = 1;
	struct answer a = { .pending = &pending };

	memset(big, 'e', LIMIT_HELPER_MESSAGE + 1);
	assert_int_equal(
		helper_pool_submit(p, big, LIMIT_HELPER_MESSAGE + 1, NULL, 0, on_answer, &a, NULL),
		-E2BIG);
	assert_int_equal(
		helper_pool_submit(p, big, LIMIT_HELPER_MESSAGE, NULL, 0, on_answer, &a, NULL), 0);
	run_until_answered(event, &pending);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.n, LIMIT_HELPER_MESSAGE);
	helper_pool_free(p);
}

static void a_crash_costs_its_own_job_only(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 20000, false);
	int pending = 3;
	struct answer a[3] = { { .pending = &pending }, { .pending = &pending },
		{ .pending = &pending } };
	struct helper_stats stats;

	assert_int_equal(helper_pool_submit(p, "e", 1, NULL, 0, on_answer, &a[0], NULL), 0);
	assert_int_equal(helper_pool_submit(p, "x", 1, NULL, 0, on_answer, &a[1], NULL), 0);
	assert_int_equal(helper_pool_submit(p, "e", 1, NULL, 0, on_answer, &a[2], NULL), 0);
	run_until_answered(event, &pending);
	assert_int_equal(a[0].error, 0);
	assert_int_equal(a[1].error, -EPIPE);
	assert_int_equal(a[2].error, 0);
	helper_pool_get_stats(p, &stats);
	assert_int_equal(stats.jobs, 3);
	assert_int_equal(stats.crashed, 1);
	helper_pool_free(p);
}

static void an_endless_loop_ends_at_the_deadline(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 100, false);
	struct helper_stats stats;

	assert_int_equal(ask(event, p, "l").error, -ETIMEDOUT);
	helper_pool_get_stats(p, &stats);
	assert_int_equal(stats.timed_out, 1);
	helper_pool_free(p);
}

static void a_stopped_process_is_abandoned_and_the_next_job_is_served(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_TARGET, 1, 200, false);

	/* raise() is tgkill(), which the filter of the role kills for; a stop from outside does not
	 * ask the filter. */
	struct answer who = ask(event, p, "p");
	pid_t pid;
	memcpy(&pid, who.bytes, sizeof(pid));
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(ask(event, p, "e").error, -ETIMEDOUT);
	assert_int_equal(ask(event, p, "e").error, 0);
	helper_pool_free(p);
}

static void a_killed_idle_process_is_not_the_next_jobs_fault(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_TARGET, 1, 20000, false);
	struct answer who = ask(event, p, "p");
	pid_t pid;

	siginfo_t info;

	memcpy(&pid, who.bytes, sizeof(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(ask(event, p, "e").error, 0);
	helper_pool_free(p);
}

static void a_full_queue_refuses(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 20000, false);
	_cleanup_free_ char *big = calloc(1, LIMIT_HELPER_MESSAGE);
	int pending = 0, accepted = 0, r;
	struct answer a = { .pending = &pending };

	while ((r = helper_pool_submit(
			p, big, LIMIT_HELPER_MESSAGE, NULL, 0, on_answer, &a, NULL)) == 0)
		assert_true(++accepted <= LIMIT_HELPER_QUEUE);
	assert_int_equal(r, -ENOBUFS);
	assert_true(accepted > 0);
	/* Freed with all of them waiting: each is told. */
	helper_pool_free(p);
	assert_int_equal(a.calls, accepted);
	assert_int_equal(a.error, -ECANCELED);
}

static void a_cancelled_job_is_never_heard_of(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 20000, false);
	int pending = 1, never = 2;
	struct answer cancelled[2] = { { .pending = &never }, { .pending = &never } };
	struct answer last = { .pending = &pending };
	uint64_t id[2];

	assert_int_equal(
		helper_pool_submit(p, "e", 1, NULL, 0, on_answer, &cancelled[0], &id[0]), 0);
	/* One turn starts the process; whether the job is waiting or handed over, it is silent. */
	assert_true(sd_event_run(event, 1000000) >= 0);
	assert_int_equal(
		helper_pool_submit(p, "e", 1, NULL, 0, on_answer, &cancelled[1], &id[1]), 0);
	helper_pool_cancel(p, id[0]);
	helper_pool_cancel(p, id[1]);
	assert_int_equal(helper_pool_submit(p, "e", 1, NULL, 0, on_answer, &last, NULL), 0);
	run_until_answered(event, &pending);
	assert_int_equal(cancelled[0].calls + cancelled[1].calls, 0);
	assert_int_equal(last.error, 0);
	helper_pool_free(p);
}

static void descriptors_travel_both_ways(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 1, 20000, false);
	_cleanup_close_ int mine = io_memfd("mine");
	int pending = 1;
	struct answer a = { .pending = &pending, .fd = -1 };
	char text[8] = "";

	assert_int_equal(ask(event, p, "m").error, 0);
	assert_int_equal(io_write_full(mine, "hello", 5), 0);
	assert_int_equal(helper_pool_submit(p, "m", 1, NULL, 0, on_answer, &a, NULL), 0);
	run_until_answered(event, &pending);
	assert_true(a.fd >= 0);
	assert_int_equal(pread(a.fd, text, sizeof(text), 0), 5);
	assert_string_equal(text, "memfd");
	close(a.fd);
	helper_pool_free(p);
	p = pool_of(event, HELPER_TARGET, 1, 20000, false);
	pending = 1;
	assert_int_equal(helper_pool_submit(p, "f", 1, &mine, 1, on_answer, &a, NULL), 0);
	run_until_answered(event, &pending);
	assert_true(a.fd >= 0 && a.fd != mine);
	assert_int_equal(pread(a.fd, text, sizeof(text), 0), 5);
	assert_memory_equal(text, "hello", 5);
	close(a.fd);
	helper_pool_free(p);
}

static void fresh_processes_serve_one_job_each(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_TARGET, 2, 20000, true);
	struct answer first = ask(event, p, "p"), second = ask(event, p, "p");

	assert_memory_not_equal(first.bytes, second.bytes, sizeof(pid_t));
	helper_pool_free(p);
	p = pool_of(event, HELPER_TARGET, 1, 20000, false);
	first = ask(event, p, "p");
	second = ask(event, p, "p");
	assert_memory_equal(first.bytes, second.bytes, sizeof(pid_t));
	helper_pool_free(p);
}

static void jobs_run_side_by_side_up_to_the_maximum(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_TARGET, 3, 20000, false);
	int pending = 12;
	struct answer a[12];
	unsigned most = 0;

	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = (struct answer){ .pending = &pending };
		assert_int_equal(helper_pool_submit(p, "d", 1, NULL, 0, on_answer, &a[i], NULL), 0);
	}
	while (pending > 0) {
		struct helper_stats stats;

		assert_true(sd_event_run(event, 20 * 1000 * 1000) > 0);
		helper_pool_get_stats(p, &stats);
		most = MAX(most, stats.running);
	}
	assert_int_equal(most, 3);
	helper_pool_free(p);
}

static void idle_processes_end_when_trimmed(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_SYMBOLIZER, 2, 20000, true);
	struct helper_stats stats;
	int turns = 0;

	assert_int_equal(ask(event, p, "e").error, 0);
	/* The next one is started ahead; it has to be ready to be idle. */
	while (sd_event_run(event, 500 * 1000) > 0)
		assert_true(++turns < 10000);
	helper_pool_get_stats(p, &stats);
	assert_int_equal(stats.running, 1);
	assert_true(stats.rss_bytes > 0);
	helper_pool_trim(p);
	while (sd_event_run(event, 500 * 1000) > 0)
		assert_true(++turns < 10000);
	helper_pool_get_stats(p, &stats);
	assert_int_equal(stats.running, 0);
	assert_true(stats.cpu_ns > 0);
	helper_pool_free(p);
}

static void nothing_is_left_open(void **state)
{
	(void)state;
	struct helper_pool *p = pool_of(event, HELPER_TARGET, 2, 200, false);
	_cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned before = 0;

	/* The first round opens what stays open for good: the image. */
	for (int round = 0; round < 4; round++) {
		int pending = 3;
		struct answer a[3];

		for (int i = 0; i < 3; i++)
			a[i] = (struct answer){ .pending = &pending, .fd = -1 };
		assert_int_equal(
			helper_pool_submit(p, "f", 1, &file, 1, on_answer, &a[0], NULL), 0);
		assert_int_equal(
			helper_pool_submit(p, "x", 1, &file, 1, on_answer, &a[1], NULL), 0);
		assert_int_equal(
			helper_pool_submit(p, "l", 1, &file, 1, on_answer, &a[2], NULL), 0);
		run_until_answered(event, &pending);
		for (int i = 0; i < 3; i++)
			close_fd(a[i].fd);
		helper_pool_free(p);
		if (round == 0)
			before = count_fds();
		else
			assert_int_equal(count_fds(), before);
		p = pool_of(event, HELPER_TARGET, 2, 200, false);
	}
	helper_pool_free(p);
}

/* A parent of its own starts a helper, tells its pid, and is killed. */
static void helpers_die_with_the_daemon(void **state)
{
	(void)state;
	int out[2];
	pid_t helper = 0;

	assert_int_equal(pipe(out), 0);
	pid_t parent = fork();
	if (parent == 0) {
		sd_event *own = NULL;

		if (sd_event_new(&own) < 0)
			_exit(1);
		struct helper_pool *p = pool_of(own, HELPER_TARGET, 1, 20000, false);
		struct answer a = ask(own, p, "p");
		int pending = 1;
		if (helper_pool_submit(p, "l", 1, NULL, 0, on_answer,
			    &(struct answer){ .pending = &pending }, NULL) < 0 ||
			sd_event_run(own, 1000000) < 0 ||
			io_write_full(out[1], a.bytes, sizeof(pid_t)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	close(out[1]);
	assert_int_equal(read(out[0], &helper, sizeof(helper)), sizeof(helper));
	close(out[0]);
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, helper, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	struct pollfd gone = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&gone, 1, 20000), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(answers_come_back_with_their_bytes),
		T(no_callback_from_within_submit),
		T(a_largest_message_fits_and_one_more_byte_does_not),
		T(a_crash_costs_its_own_job_only),
		T(an_endless_loop_ends_at_the_deadline),
		T(a_stopped_process_is_abandoned_and_the_next_job_is_served),
		T(a_killed_idle_process_is_not_the_next_jobs_fault),
		T(a_full_queue_refuses),
		T(a_cancelled_job_is_never_heard_of),
		T(descriptors_travel_both_ways),
		T(fresh_processes_serve_one_job_each),
		T(jobs_run_side_by_side_up_to_the_maximum),
		T(idle_processes_end_when_trimmed),
		T(nothing_is_left_open),
		T(helpers_die_with_the_daemon),
	};

	if (argc == 3 && !strcmp(argv[1], "--helper"))
		return helper_main(argv[2], serves);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
