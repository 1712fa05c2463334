/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests that load the programs and sample real processes: a kernel with callbacks that collect,
 * and children that spin, fork or exec on request. Skips (77) where the kernel or the rights are
 * missing.
 */
#ifndef PROFD_TESTS_UNIT_KERNEL_FIXTURE_H
#define PROFD_TESTS_UNIT_KERNEL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "kernel/kernel.h"

#define MAX_PIDS 4096

struct seen {
	uint64_t samples, stacks, unknown, sideband, lost;
	uint64_t by_set[ABI_SETS];
	uint64_t with_user;
	struct {
		uint32_t tgid;
		uint64_t samples, attachments;
		uint16_t max_user;
		uint8_t last_reason;
		uint32_t owner_uid;
		char comm[ABI_COMM];
	} pids[MAX_PIDS];
	unsigned n_pids;
	uint64_t hashes[1U << 16];
	uint64_t frames[ABI_FRAMES]; /* user frames of the deepest stack */
	unsigned n_frames;
	char last_comm_text[64];
	uint64_t maps_of_child;
	uint32_t watch_pid; /* sideband events of it are counted */
	uint64_t watch_exits, watch_forks, watch_execs;
};

static inline void seen_sideband(void *userdata, const struct sideband_event *e)
{
	struct seen *s = userdata;

	s->sideband++;
	s->lost += e->kind == SIDEBAND_LOST;
	if (!s->watch_pid || e->pid != s->watch_pid)
		return;
	s->maps_of_child += e->kind == SIDEBAND_MMAP;
	s->watch_exits += e->kind == SIDEBAND_EXIT && e->tid == e->pid;
	s->watch_forks += e->kind == SIDEBAND_FORK;
	if (e->kind == SIDEBAND_COMM && e->exec) {
		s->watch_execs++;
		(void)snprintf(s->last_comm_text, sizeof(s->last_comm_text), "%s", e->text);
	}
}

static inline void seen_sample(void *userdata, const struct sample_record *r)
{
	struct seen *s = userdata;
	uint64_t *slot = &s->hashes[r->stack_hash >> 32 & 0xffff];
	unsigned i;

	s->samples++;
	s->by_set[r->event_set]++;
	s->with_user += r->n_user != 0;
	if (r->has_stack) {
		s->stacks++;
		*slot = r->stack_hash;
		if (r->n_user > s->n_frames) {
			s->n_frames = r->n_user;
			memcpy(s->frames, r->frames + r->n_kernel, r->n_user * 8);
		}
	} else if (*slot != r->stack_hash) {
		s->unknown++;
	}
	for (i = 0; i < s->n_pids && s->pids[i].tgid != r->tgid; i++)
		;
	if (i == MAX_PIDS)
		return;
	if (i == s->n_pids)
		s->pids[s->n_pids++].tgid = r->tgid;
	s->pids[i].samples++;
	s->pids[i].attachments |= r->attachments;
	s->pids[i].last_reason = r->truncated;
	s->pids[i].owner_uid = r->owner_uid;
	memcpy(s->pids[i].comm, r->comm, ABI_COMM);
	if (r->n_user > s->pids[i].max_user)
		s->pids[i].max_user = r->n_user;
}

static inline unsigned set_of(struct kernel *k, uint32_t freq_hz)
{
	struct error error = ERROR_INIT;
	unsigned set = 99;

	if (kernel_set_get(k, "cpu-clock", freq_hz, &set, &error) < 0)
		fail_msg("%s", error.text);
	return set;
}

static inline uint64_t seen_of(const struct seen *s, pid_t pid)
{
	for (unsigned i = 0; i < s->n_pids; i++)
		if (s->pids[i].tgid == (uint32_t)pid)
			return s->pids[i].samples;
	return 0;
}

static inline struct kernel *kernel_on_loop_or_skip(
	sd_event *event, const struct kernel_options *options, struct seen *seen)
{
	struct kernel_callbacks callbacks = { seen_sideband, seen_sample, seen };
	struct error error = ERROR_INIT;
	struct kernel *k = NULL;
	int r = kernel_new(&k, event, options, &callbacks, &error);

	if (r == 0)
		return k;
	if (getenv("PROFD_REQUIRE_KERNEL") ||
		(error.code != EXIT_CODE_DENIED && error.code != EXIT_CODE_KERNEL)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	printf("SKIP: %s\n", error.text);
	exit(77);
}

static inline struct kernel *kernel_or_skip(const struct kernel_options *options, struct seen *seen)
{
	return kernel_on_loop_or_skip(NULL, options, seen);
}

static inline void drain_all(struct kernel *k)
{
	while (kernel_drain(k, NS_PER_SEC))
		;
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* CPU time that a process has used. */
static inline uint64_t cpu_ns_of(pid_t pid)
{
	clockid_t clock;
	struct timespec t;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* Waits until the process has used this much CPU time more, draining meanwhile. */
static inline void run_for(struct kernel *k, pid_t pid, uint64_t cpu_ns)
{
	uint64_t until = cpu_ns_of(pid) + cpu_ns;

	while (cpu_ns_of(pid) < until) {
		sleep_ms(20);
		if (k)
			drain_all(k);
	}
}

/* Waits until so many samples of the process have come in; gives up after a minute of its CPU time,
 * for a machine whose timers are slow. */
static inline void run_until(struct kernel *k, const struct seen *s, pid_t pid, uint64_t samples)
{
	uint64_t until = cpu_ns_of(pid) + 60 * NS_PER_SEC;

	while (seen_of(s, pid) < samples && cpu_ns_of(pid) < until) {
		sleep_ms(20);
		drain_all(k);
	}
	assert_true(seen_of(s, pid) >= samples);
}

static volatile int spinning = 1; /* for ever, which the compiler need not know */

__attribute__((noinline)) static void spin(void)
{
	while (spinning)
		;
}

/* A child that spins until the end. */
static inline pid_t child_spin(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		spin();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static inline void child_end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static inline void assert_accounted(const struct kernel_set_info *info)
{
	uint64_t sum = info->sum.idle + info->sum.filtered + info->sum.stored;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		sum += info->sum.dropped[i];
	assert_int_equal(info->sum.ran, sum);
	assert_int_equal(info->triggered, info->sum.ran + info->not_run);
}

#endif
