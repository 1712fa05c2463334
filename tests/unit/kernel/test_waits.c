/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs tell of threads that wait, against what the threads' own clocks say. */
#include "fixture.h"

#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "base/cleanup.h"
#include "profile/types.h"

#define SLEEPS	   200
#define MAX_STACKS 4093
#define WAKES	   50

/* Shared with the child. */
struct truth {
	_Atomic int go, done;
	uint32_t tid;
	uint64_t asleep_ns, elapsed_ns;
	uint32_t futex;
	uint64_t futex_ns;
	uint32_t waiter, waker;
};

struct told {
	uint64_t events, blocked_ns, runq_ns, cpu_ns, under_way, windows;
	uint64_t sleeps; /* ended, in the system call that was asked for */
	uint64_t unlocks, unlock_ns, futexes, futex_ns, woken_by_waker, created, first;
	uint64_t with_stack, stacks[MAX_STACKS];
	uint32_t tid; /* 0: all that comes */
	uint16_t syscall;
};
static struct told told;
static struct truth *truth;

/* It came with its stack, or behind it. */
static bool has_stack(const struct sample_record *r)
{
	uint64_t *slot = &told.stacks[r->stack_hash % MAX_STACKS];

	if (r->has_stack)
		*slot = r->stack_hash;
	return r->n_user > 0 && *slot == r->stack_hash;
}

static void on_wait(const struct sample_record *r)
{
	const struct wait_record *w = &r->wait;
	uint64_t woken = w->woken_ns ? MAX(w->woken_ns, w->begin_ns) : r->time_ns;
	bool is_under_way = w->flags & WAIT_IS_UNDER_WAY;

	told.first += (w->flags & WAIT_IS_NEW) != 0;
	told.under_way += is_under_way;
	if (w->begin_ns == r->time_ns)
		return;
	told.events += !is_under_way;
	told.blocked_ns += woken - w->begin_ns;
	told.runq_ns += r->time_ns - woken;
	if (!(w->flags & WAIT_IS_BLOCKED) || w->syscall != told.syscall)
		return;
	told.sleeps += !is_under_way;
	told.with_stack += has_stack(r);
	if (r->tid == truth->waiter && w->lock == (uint64_t)(uintptr_t)&truth->futex) {
		told.futexes++;
		told.futex_ns += woken - w->begin_ns;
		told.woken_by_waker += w->waker_tid == truth->waker;
	}
}

static void on_record(void *userdata, const struct sample_record *r)
{
	const struct wait_record *w = &r->wait;

	(void)userdata;
	if (r->kind == RECORD_STACK) {
		told.stacks[r->stack_hash % MAX_STACKS] = r->stack_hash;
		return;
	}
	told.created += r->event_set == SET_CREATES;
	if (r->event_set == SET_UNLOCKS && r->tid == truth->waker &&
		w->lock == (uint64_t)(uintptr_t)&truth->futex) {
		told.unlocks++;
		told.unlock_ns += r->time_ns - w->begin_ns;
	}
	if (told.tid && r->tid != told.tid)
		return;
	told.cpu_ns += w->unsampled_ns;
	if (r->event_set == SET_WAITS)
		on_wait(r);
}

static void on_window(
	void *userdata, const struct sample_record *r, const struct stack_window *window)
{
	told.windows += window->bytes > 0;
	on_record(userdata, r);
}

static struct kernel *waits_or_skip(bool at_switch)
{
	struct kernel_callbacks callbacks = { seen_sideband, on_record, NULL, on_window };
	struct kernel_options options = { .waits_at_switch = at_switch };
	struct error error = ERROR_INIT;
	struct kernel *k = NULL;
	static struct seen seen;

	callbacks.userdata = &seen;
	memset(&told, 0, sizeof(told));
	truth = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(truth != MAP_FAILED);
	if (kernel_new(&k, NULL, &options, &callbacks, &error) == 0)
		return k;
	if (getenv("PROFD_REQUIRE_KERNEL")) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	printf("SKIP: %s\n", error.text);
	exit(77);
}

static void attach(struct kernel *k, uint32_t probes)
{
	struct error error = ERROR_INIT;

	if (kernel_threads_attach(k, probes, 1, &error) < 0)
		fail_msg("%s", error.text);
}

static void wait_for(struct kernel *k, _Atomic int *what, int value)
{
	while (*what < value) {
		(void)kernel_drain(k, NS_PER_MS);
		(void)usleep(1000);
	}
}

static pid_t child_of(void (*body)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		body();
		_exit(0);
	}
	return pid;
}

static void sleeper(void)
{
	struct timespec ms = { .tv_nsec = 2 * 1000 * 1000 };
	uint64_t began;

	truth->tid = (uint32_t)getpid();
	truth->done = 1;
	while (!truth->go)
		(void)usleep(1000);
	began = clock_monotonic_ns();
	for (int i = 0; i < SLEEPS; i++) {
		uint64_t from = clock_monotonic_ns();

		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
		truth->asleep_ns += clock_monotonic_ns() - from;
	}
	truth->elapsed_ns = clock_monotonic_ns() - began;
	truth->done = 2;
	for (;;)
		(void)pause();
}

static void flush(struct kernel *k)
{
	while (kernel_threads_flush(k, 1, NS_PER_SEC) == 1)
		;
	drain_all(k);
}

/* Between two flushes all of the thread's time is told, once. */
static void check_sum(bool at_switch)
{
	struct kernel *k = waits_or_skip(at_switch);
	struct kernel_set_info info;
	pid_t pid = child_of(sleeper);
	uint64_t before_ns, from_ns, to_ns, after_ns, all;
	struct kernel_threads_missed missed;

	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	kernel_threads_threshold(k, 0);
	attach(k, PROBE_WAITS | PROBE_WALL);
	wait_for(k, &truth->done, 1);
	before_ns = clock_monotonic_ns();
	flush(k);
	from_ns = clock_monotonic_ns();
	told = (struct told){ .tid = truth->tid, .syscall = SYS_clock_nanosleep };
	truth->go = 1;
	wait_for(k, &truth->done, 2);
	to_ns = clock_monotonic_ns();
	flush(k);
	after_ns = clock_monotonic_ns();
	kernel_threads_detach(k, 1);
	kernel_set_info(k, SET_WAITS, &info);
	kernel_threads_missed(k, &missed);
	child_end(pid);

	assert_accounted(&info);
	all = told.blocked_ns + told.runq_ns + told.cpu_ns;
	/* Where sched_switch alone tells, there are kernels whose switches do not all say whom they
	 * are to: what is lost so is counted, and nothing is invented. */
	if (!missed.switches)
		assert_true(all >= to_ns - from_ns);
	assert_true(all <= after_ns - before_ns);
	assert_true(told.sleeps + missed.switches >= SLEEPS && told.sleeps <= told.events);
	assert_true(told.with_stack + 1 >= told.sleeps);
	assert_true(at_switch || !missed.switches);
	assert_true(told.under_way >= 1 && told.windows >= 1);
	/* What its own clock says has the way into the kernel and back in it. */
	if (!missed.switches)
		assert_true(
			(double)(told.blocked_ns + told.runq_ns) > 0.99 * (double)truth->asleep_ns);
	kernel_free(k);
}

static void *futex_waiter(void *arg)
{
	(void)arg;
	truth->waiter = (uint32_t)gettid();
	for (int i = 0; i < WAKES; i++) {
		uint64_t from = clock_monotonic_ns();

		while (truth->futex == (uint32_t)i)
			(void)syscall(SYS_futex, &truth->futex, FUTEX_WAIT, i, NULL, NULL, 0);
		truth->futex_ns += clock_monotonic_ns() - from;
	}
	return NULL;
}

static void futexes(void)
{
	pthread_t thread;

	truth->waker = (uint32_t)getpid();
	truth->done = 1;
	while (!truth->go)
		(void)usleep(1000);
	(void)pthread_create(&thread, NULL, futex_waiter, NULL);
	for (uint32_t i = 0; i < WAKES; i++) {
		(void)usleep(2000);
		__atomic_store_n(&truth->futex, i + 1, __ATOMIC_SEQ_CST);
		(void)syscall(SYS_futex, &truth->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	(void)pthread_join(thread, NULL);
	truth->done = 2;
	for (;;)
		(void)pause();
}

static void who_wakes_a_futex_is_charged_with_the_wait(void **state)
{
	struct kernel *k = waits_or_skip(false);
	pid_t pid = child_of(futexes);

	(void)state;
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	kernel_threads_threshold(k, 0);
	attach(k, PROBE_WAITS | PROBE_UNLOCKS | PROBE_CREATES);
	told.syscall = SYS_futex;
	wait_for(k, &truth->done, 1);
	truth->go = 1;
	wait_for(k, &truth->done, 2);
	drain_all(k);
	kernel_threads_detach(k, 1);
	child_end(pid);
	kernel_free(k);
	assert_int_equal(told.created, 1);
	assert_int_equal(told.first, 1);
	assert_true(told.futexes > 0 && told.futexes <= WAKES);
	assert_int_equal(told.woken_by_waker, told.futexes);
	assert_int_equal(told.unlocks, told.futexes);
	assert_int_equal(told.unlock_ns, told.futex_ns);
	assert_true(told.futex_ns <= truth->futex_ns);
}

static void waits_and_cpu_time_add_up_to_what_the_thread_lived(void **state)
{
	(void)state;
	check_sum(false);
}

static void they_add_up_where_stacks_are_taken_at_the_switch(void **state)
{
	(void)state;
	check_sum(true);
}

/* Of waits of d each, shorter than the threshold T, about n d / T are kept, and what they stand for
 * is the whole. */
static void short_waits_are_kept_by_their_length(void **state)
{
	const uint64_t threshold_ns = 20 * NS_PER_MS;
	struct kernel *k = waits_or_skip(false);
	pid_t pid = child_of(sleeper);
	double expected, deviation;

	(void)state;
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	kernel_threads_threshold(k, threshold_ns);
	attach(k, PROBE_WAITS);
	wait_for(k, &truth->done, 1);
	told.tid = truth->tid;
	told.syscall = SYS_clock_nanosleep;
	truth->go = 1;
	wait_for(k, &truth->done, 2);
	drain_all(k);
	kernel_threads_detach(k, 1);
	child_end(pid);
	kernel_free(k);
	/* Each kept one stands for T; the variance of a wait of d is d (T - d). Five deviations. */
	expected = (double)truth->asleep_ns;
	deviation = sqrt(expected * (double)threshold_ns);
	assert_true(told.sleeps > 0 && told.sleeps < SLEEPS);
	if (fabs((double)(told.sleeps * threshold_ns) - expected) > 5 * deviation)
		fail_msg("%llu kept, %.1f ms asleep", (unsigned long long)told.sleeps,
			expected / 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_and_cpu_time_add_up_to_what_the_thread_lived),
		cmocka_unit_test(they_add_up_where_stacks_are_taken_at_the_switch),
		cmocka_unit_test(short_waits_are_kept_by_their_length),
		cmocka_unit_test(who_wakes_a_futex_is_charged_with_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
