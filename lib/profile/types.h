/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile types: what each is called, what its values are, what has to be collected for it. One
 * table, for daemon and client; help, errors, requests and profiles are made from it.
 */
#ifndef PROFD_PROFILE_TYPES_H
#define PROFD_PROFILE_TYPES_H

#include <stdint.h>

/* Bits of what the kernel side can collect. */
enum profile_probe {
	PROBE_CPU = 1,	   /* samples of CPU time, at a frequency */
	PROBE_WAITS = 2,   /* where threads are off the CPU */
	PROBE_UNLOCKS = 4, /* who wakes those that wait for a futex */
	PROBE_CREATES = 8, /* who makes threads */
	PROBE_WALL = 16,   /* CPU time told exactly, by samples and waits together */
};

/* X(ID, name, question, sample types: type, unit, type, unit, period type, period unit, probes) */
#define PROFILE_TYPES(X)                                                                           \
	X(CPU, "cpu", "where CPU time goes", "samples", "count", "cpu", "nanoseconds", "cpu",      \
		"nanoseconds", PROBE_CPU)                                                          \
	X(BLOCK, "block", "where threads wait for each other", "contentions", "count", "delay",    \
		"nanoseconds", "contentions", "count", PROBE_WAITS)                                \
	X(MUTEX, "mutex", "who holds the locks that others wait for", "contentions", "count",      \
		"delay", "nanoseconds", "contentions", "count", PROBE_UNLOCKS)                     \
	X(RUNQ, "runq", "who waits for a CPU", "events", "count", "delay", "nanoseconds", "delay", \
		"nanoseconds", PROBE_WAITS)                                                        \
	X(OFFCPU, "offcpu", "all waiting, for others and for a CPU", "events", "count", "offcpu",  \
		"nanoseconds", "offcpu", "nanoseconds", PROBE_WAITS)                               \
	X(WALL, "wall", "where elapsed time goes, running and waiting", "samples", "count",        \
		"wall", "nanoseconds", "wall", "nanoseconds",                                      \
		PROBE_CPU | PROBE_WAITS | PROBE_WALL)                                              \
	X(THREADCREATE, "threadcreate", "who started the threads that live", "threadcreate",       \
		"count", NULL, NULL, "threadcreate", "count", PROBE_CREATES)

enum profile_type {
#define X(id, ...) PROFILE_##id,
	PROFILE_TYPES(X)
#undef X
		PROFILE_TYPES_N,
};

struct profile_type_info {
	const char *name, *question;
	const char *type[2], *unit[2]; /* sample types; the last one is the default; NULL: none */
	const char *period_type, *period_unit;
	uint32_t probes; /* of enum profile_probe: collected with it, and needed to serve it */
};
/* Of a type below PROFILE_TYPES_N; static. */
const struct profile_type_info *profile_type_info(enum profile_type type);
/* By name: the type, or -EINVAL. */
int profile_type_find(const char *name);
/* All names, in order, then NULL; static. */
const char *const *profile_type_names(void);
/* What has to be collected for a set of types, given as bits 1 << type. */
uint32_t profile_type_probes(uint32_t types);

#endif
