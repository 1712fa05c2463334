/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was counted when. A series is everything that tells two samples apart but time: process,
 * thread, stack, labels, owner, rate. A slot is a span of time, normally one second, and what each
 * series has in it: a count of samples, or events and time. A slot ends early where something asked
 * for an exact boundary (an attach, a detach, the ends of `dump --seconds`). From the first to the
 * last there is a slot for every time, as far as the history goes, also where nothing came.
 *
 * Series are counted by reference (slots, running dumps, threads) and reused; the oldest slots go
 * when the history is too long or the memory short. Times are CLOCK_MONOTONIC ns.
 */
#ifndef PROFD_COLLECT_SLOTS_H
#define PROFD_COLLECT_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/table.h"
#include "bpf/abi.h"

#define SERIES_NONE UINT32_MAX

struct series_key {
	uint32_t process; /* process.id */
	uint32_t tid;
	uint32_t entry;	       /* stack.h; STACK_NONE: has no stack */
	uint32_t thread, comm; /* aggregate_name() */
	uint32_t cgroup;       /* aggregate_cgroup() */
	uint32_t owner_uid;    /* OWNER_NOBODY: of nobody but root */
	uint32_t rate;	       /* aggregate.h: event, frequency, period */
	uint64_t attachments;  /* bits that covered it */
	/* Of what is no sample of CPU time at a rate; else 0. */
	uint64_t lock;	     /* address of the futex; 0: none */
	uint32_t owner;	     /* tid that held it; 0: not known */
	uint32_t waker;	     /* aggregate_name(): a thread's comm, "irq:NN", "irq" */
	uint16_t syscall;    /* SYSCALL_NONE: in none */
	uint8_t probe_set;   /* SET_WAITS, SET_UNLOCKS, SET_CREATES, SERIES_WALL, ... */
	uint8_t flags, file; /* WAIT_IS_ but for WAIT_IS_UNDER_WAY; enum wait_file */
	uint8_t pad[3];
};

/* series_key.probe_set: enum probe_set without the event sets, or: */
#define SERIES_CPU	 0		/* samples of CPU time, at the rate */
#define SERIES_WALL	 ABI_SETS	/* CPU time that a sample told exactly */
#define SERIES_UNSAMPLED (ABI_SETS + 1) /* CPU time that no sample told; has no stack */

struct series {
	struct series_key key;
	uint32_t n_refs; /* 0: free */
	uint32_t last_position;
	uint64_t last_slot; /* sequence number: where it is counted in that slot */
};

/* What time was spent in, and the units that sums are kept in: estimates have fractions. */
enum span_part {
	SPAN_BLOCKED,
	SPAN_RUNQ,
	SPAN_CPU,
	SPAN_PARTS,
};
#define SPAN_EVENT_SHIFT 20
#define SPAN_NS_SHIFT	 10
#define SPAN_EVENT	 (1ULL << SPAN_EVENT_SHIFT)
#define SPAN_NS		 (1ULL << SPAN_NS_SHIFT)

/* Time that a series took: (from, turn] was in `part`, (turn, until] in SPAN_RUNQ. */
struct span {
	uint64_t from_ns, turn_ns, until_ns; /* in this order, or equal */
	double scale;			     /* each ns, and the event, counts so many times */
	uint8_t part;			     /* enum span_part */
	bool is_over;			     /* counts as an event, at until_ns */
};

struct slot_count {
	uint32_t series, count;
};
/* The part of a series' time that lies in the slot. */
struct slot_span {
	uint32_t series, count;	 /* count: spans that end here, over or not */
	uint64_t events;	 /* times SPAN_EVENT */
	uint64_t ns[SPAN_PARTS]; /* times SPAN_NS */
};
/* Of a span that ends in this slot, the slots before it that are all of one part: a long wait costs
 * no more memory than a short one. */
struct slot_run {
	uint32_t series, part;
	uint64_t from_ns, until_ns; /* borders of slots */
	double scale;
};

struct slot {
	uint64_t sequence, from_ns, until_ns;
	struct array counts; /* struct slot_count */
	struct array spans;  /* struct slot_span */
	struct array runs;   /* struct slot_run */
};

struct slots;

/* released(): a series was freed; what its key refers to can go. */
int slots_new(struct slots **ret, uint64_t history_ns,
	void (*released)(void *userdata, const struct series_key *key), void *userdata);
struct slots *slots_free(struct slots *s);
size_t slots_bytes(const struct slots *s);
/* What slots_bytes() may grow to, from now on; UINT64_MAX at first. */
void slots_limit(struct slots *s, size_t bytes);

/* Adds one to a series at a time. *ret_new, also where it fails: the series did not exist and does
 * now (then its key's references are the slots'; else they stay the caller's). 0, -ENOMEM; -ENOSPC:
 * past the limit; -ESTALE: older than all that is held. */
int slots_count(struct slots *s, const struct series_key *key, uint64_t time_ns, bool *ret_new);
/* Adds a span to a series, all of it or, where it fails, nothing: what is in a slot in that slot,
 * the event in the slot of its end; what is older than all slots is cut off. Rounded to
 * 1 / SPAN_NS ns, so that the parts of a span in all slots together are rounded once. As above. */
int slots_span(
	struct slots *s, const struct series_key *key, const struct span *span, bool *ret_new);
/* ns of a part, times SPAN_NS. */
uint64_t span_scaled(uint64_t ns, double scale);
/* The series, with one reference more. As above. */
int slots_hold(struct slots *s, const struct series_key *key, uint32_t *ret_series, bool *ret_new);
bool slots_has(const struct slots *s, const struct series_key *key);
/* A boundary at now_ns: what comes later goes into another slot. */
int slots_split(struct slots *s, uint64_t now_ns);
/* Drops what is older than the history allows. */
void slots_expire(struct slots *s, uint64_t now_ns);
/* Drops the oldest slot unless it is the last one. False: nothing to drop. */
bool slots_drop_oldest(struct slots *s);

/* Slots in order of time; NULL past the end. Moves when a sample arrives. */
const struct slot *slots_at(const struct slots *s, size_t i);
size_t slots_n(const struct slots *s);
/* The last slot that begins at or before a time, or the first one. Not where there is none. */
size_t slots_index(const struct slots *s, uint64_t time_ns);
const struct series *slots_series(const struct slots *s, uint32_t series);
uint32_t slots_n_series(const struct slots *s); /* ids are below */
void slots_ref(struct slots *s, uint32_t series);
void slots_unref(struct slots *s, uint32_t series);

#endif
