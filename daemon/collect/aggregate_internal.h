/* SPDX-License-Identifier: Apache-2.0 */
/* What aggregate.c and aggregate_wait.c share. */
#ifndef PROFD_COLLECT_AGGREGATE_INTERNAL_H
#define PROFD_COLLECT_AGGREGATE_INTERNAL_H

#include "collect/aggregate.h"
#include "collect/threads.h"

struct aggregate {
	struct aggregate_rooms rooms;
	struct stack_store *stacks;
	struct slots *slots;
	struct locator *locator;
	struct thread_table *threads;
	struct strings names;
	struct array rates;   /* struct aggregate_rate */
	struct array cgroups; /* struct cgroup_name */
	struct table cgroup_index;
	uint32_t set_rate[ABI_EVENT_SETS];
	struct aggregate_set_stats sets[ABI_SETS];
	uint64_t bit_samples[ABI_ATTACHMENTS];
	uint64_t memory_bytes, swept_ns;
	uint64_t threshold_ns;	    /* the least of the waits kept lately, */
	uint64_t next_threshold_ns; /* and since aggregate_maintain(); UINT64_MAX: none */
	uint32_t
		n_detailed; /* series that name a lock or a waker, new since aggregate_maintain() */
	bool creates;	    /* threads are told of when they are made */
	uint64_t asked_ns;  /* when all stacks were last asked for again */
	bool unknown;	    /* a stack was named since that we have not */
};

/* Interns a label of at most so many bytes; 0 where there is no room. */
uint32_t aggregate_intern(struct aggregate *a, const char *text, size_t max);
void aggregate_drop(
	struct aggregate *a, const struct sample_record *record, enum drop_reason reason);
/* The references of a series on its process and stack, and back, where the slots did not keep it.
 */
void aggregate_take(struct aggregate *a, struct process *p, const struct series_key *key);
void aggregate_give_back(struct aggregate *a, struct process *p, const struct series_key *key);
/* What is told of a series: a span, or for NULL a sample at that time. The oldest slots go where
 * there is no room. */
int aggregate_add(struct aggregate *a, struct process *p, const struct series_key *key,
	uint64_t time_ns, const struct span *span, bool *ret_new);

/* By set of the record; the key has what all records have, and the stack. */
void aggregate_wait(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record);
void aggregate_thread_made(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record);
/* CPU time of the thread, for PROFILE_WALL: what a sample tells exactly; what none tells (the key
 * has no stack). */
void aggregate_wall(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record);
void aggregate_unsampled(struct aggregate *a, struct process *p, const struct series_key *key,
	const struct sample_record *record);
void aggregate_maintain_threads(struct aggregate *a, uint64_t now_ns);

#endif
