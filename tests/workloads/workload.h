/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the workloads share. A workload is a program of known shape: the comment on top of its file
 * draws the call tree, and at its end it prints its own truth, one JSON object a line, measured
 * with its threads' CPU clocks. The programs are built without sanitizers, without sibling calls,
 * and what the tree names is neither inlined nor cloned.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__clang__)
#define FRAME __attribute__((noinline))
#else
#define FRAME __attribute__((noinline, noclone))
#endif

/* About half a millisecond of CPU time. */
#define UNIT 400000UL

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static inline uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* GCC leaves the frame pointer out of a leaf that needs none, whatever -fno-omit-frame-pointer
 * says; then a frame pointer walk misses the leaf's caller. Naming the frame address makes it
 * needed. */
#ifdef WORKLOAD_NO_FRAME_POINTER
#define KEEP_FRAME() ((void)0)
#else
#define KEEP_FRAME() __asm__ volatile("" : : "r"(__builtin_frame_address(0)))
#endif

/* n steps of arithmetic without calls and memory. A macro, so that no inlined function stands
 * between the time and the function that is to have it. */
#define burn(n)                                                         \
	do {                                                            \
		uint64_t burn_x_ = (n);                                 \
		KEEP_FRAME();                                           \
                                                                        \
		for (unsigned long burn_n_ = (n); burn_n_; burn_n_--) { \
			burn_x_ = burn_x_ * 6364136223846793005U + 1;   \
			__asm__ volatile("" : "+r"(burn_x_));           \
		}                                                       \
	} while (0)

/* The first argument as seconds, between 0.001 and 3600. */
static inline uint64_t seconds_ns(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (*end || end == text || !(s >= 0.001 && s <= 3600)) {
		(void)fprintf(stderr, "%s: not between 0.001 and 3600 seconds\n", text);
		exit(2);
	}
	return (uint64_t)(s * 1e9);
}

static inline void print_function(const char *name, uint64_t self_ns, uint64_t cum_ns)
{
	(void)printf("{\"function\":\"%s\",\"self_ns\":%llu,\"cum_ns\":%llu}\n", name,
		(unsigned long long)self_ns, (unsigned long long)cum_ns);
}

static inline void print_total(void)
{
	(void)printf(
		"{\"total_ns\":%llu}\n", (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	(void)fflush(stdout);
}

#endif
