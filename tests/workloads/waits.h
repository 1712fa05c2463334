/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads that wait share: each wait is timed by the thread itself, with the CPU time
 * and the context switches in between, kept, and written to a file of struct wait_log at the end;
 * so a reader can take those of any span. Off the CPU is wall time without CPU time.
 */
#ifndef WORKLOAD_WAITS_H
#define WORKLOAD_WAITS_H

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "workload.h"

struct wait_log {
	uint32_t path, tid;
	uint32_t voluntary, involuntary; /* switches away from the thread */
	uint64_t begin_ns, end_ns;	 /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;
};

struct wait_times {
	struct wait_log *log; /* owned */
	size_t n, max;
	uint32_t path, tid;
	struct wait_log now;
	struct wait_log whole; /* switches of all of the thread so far */
};

static inline void switches_of(struct wait_log *log)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_THREAD, &usage);
	log->voluntary = (uint32_t)usage.ru_nvcsw - log->voluntary;
	log->involuntary = (uint32_t)usage.ru_nivcsw - log->involuntary;
}

/* Around one wait. Macros, so that whatever happens to the thread in between has the frame of the
 * path; the times are taken outermost, so that all of it is in both. */
#define WAIT_BEGIN(t)                                                               \
	do {                                                                        \
		(t)->now = (struct wait_log){ .path = (t)->path, .tid = (t)->tid }; \
		(t)->now.begin_ns = wall_ns();                                      \
		(t)->now.cpu_ns = thread_ns();                                      \
		switches_of(&(t)->now);                                             \
	} while (0)
#define WAIT_END(t)                                              \
	do {                                                     \
		switches_of(&(t)->now);                          \
		(t)->now.cpu_ns = thread_ns() - (t)->now.cpu_ns; \
		(t)->now.end_ns = wall_ns();                     \
	} while (0)

static inline void wait_keep(struct wait_times *t)
{
	if (t->n == t->max) {
		t->max = t->max ? 2 * t->max : 1024;
		t->log = realloc(t->log, t->max * sizeof(*t->log));
		if (!t->log)
			abort();
	}
	t->log[t->n++] = t->now;
}

/* Appends what was kept to the file and prints the sums. */
static inline void wait_report(const struct wait_times *t, const char *name, FILE *file)
{
	struct wait_log sum = { 0 };

	for (size_t i = 0; i < t->n; i++) {
		sum.end_ns += t->log[i].end_ns - t->log[i].begin_ns;
		sum.cpu_ns += t->log[i].cpu_ns;
		sum.voluntary += t->log[i].voluntary;
		sum.involuntary += t->log[i].involuntary;
	}
	if (file && fwrite(t->log, sizeof(*t->log), t->n, file) != t->n)
		abort();
	(void)printf("{\"wait\":\"%s\",\"path\":%u,\"tid\":%u,\"n\":%zu,\"wall_ns\":%llu,"
		     "\"cpu_ns\":%llu,\"voluntary\":%u,\"involuntary\":%u,\"switches\":%u}\n",
		name, t->path, t->tid, t->n, (unsigned long long)sum.end_ns,
		(unsigned long long)sum.cpu_ns, sum.voluntary, sum.involuntary,
		t->whole.voluntary + t->whole.involuntary);
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000U),
		.tv_nsec = (long)(ns % 1000000000U) };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static inline long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* 2 to 8 ms, or what is asked for, from a row of its own. */
static inline uint64_t wait_length(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return 2000000U + (*seed >> 8) % 6000000U;
}

#endif
