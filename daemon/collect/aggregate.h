/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in, series and slots out: the one aggregator. Each record is given its process (by time),
 * its stack (by hash), its labels and its slots. What cannot be kept is counted under a drop
 * reason, by set. Bounded by Memory=: the oldest slots go first. A flood of different locks and
 * wakers costs these labels first.
 *
 * Order: sideband events up to a sample's time must be in the process table before the sample.
 */
#ifndef PROFD_COLLECT_AGGREGATE_H
#define PROFD_COLLECT_AGGREGATE_H

#include "base/table.h"
#include "bpf/abi.h"
#include "collect/locate.h"
#include "collect/slots.h"
#include "collect/stack.h"

struct aggregate;

struct aggregate_rooms { /* borrowed */
	struct process_table *processes;
	struct module_table *modules;
	struct target_io *io;
	struct symbolizer *symbolizer;
	/* What a process maps was read from /proc; may be NULL. */
	void (*maps_read)(void *userdata, struct process *p);
	void *userdata;
};

/* An (event, frequency) that was sampled; a series names one. */
struct aggregate_rate {
	char event[32];
	uint32_t freq_hz;
	uint64_t period_ns; /* CPU time that one sample stands for */
};

int aggregate_new(struct aggregate **ret, const struct aggregate_rooms *rooms, uint64_t history_ns,
	uint64_t memory_bytes);
struct aggregate *aggregate_free(struct aggregate *a);

/* Says what an event set of the kernel stands for from now on. 0 or -ENOSPC. */
int aggregate_set_rate(
	struct aggregate *a, unsigned event_set, const char *event, uint32_t freq_hz);
/* One sample of any set of the kernel side; the record was checked by kernel/. */
void aggregate_sample(struct aggregate *a, const struct sample_record *record);
/* A thread has ended; before or after its SET_CREATES. */
void aggregate_thread_exit(struct aggregate *a, uint32_t pid, uint32_t tid, uint64_t time_ns);
/* What was read of a process by others: its cgroup's name is learned. */
void aggregate_read(struct aggregate *a, const struct target_process_info *info);
/* An exact boundary now. */
void aggregate_split(struct aggregate *a, uint64_t now_ns);
/* Every second or so: history, memory; true when stacks were forgotten or never came, so that the
 * programs must be told to send them again (kernel_forget_stacks). Call it with the rings drained.
 */
bool aggregate_maintain(struct aggregate *a, uint64_t now_ns);

struct aggregate_set_stats {
	uint64_t dropped[DROP_COUNT]; /* of what BPF counted as stored */
	uint64_t
		superseded; /* a higher rate covered the process at that time: kept there instead */
};
const struct aggregate_set_stats *aggregate_set_stats(
	const struct aggregate *a, unsigned event_set);
/* The threshold of the waits that were kept lately. */
uint64_t aggregate_threshold_ns(const struct aggregate *a);
/* Samples that an attachment bit got since aggregate_clear_bit(). */
uint64_t aggregate_bit_samples(const struct aggregate *a, unsigned bit);
void aggregate_clear_bit(struct aggregate *a, unsigned bit);
size_t aggregate_bytes(const struct aggregate *a);
/* How far back one can ask; 0: nothing held. */
uint64_t aggregate_from_ns(const struct aggregate *a);

/* For dumps (same room). */
struct slots *aggregate_slots(const struct aggregate *a);
struct stack_store *aggregate_stacks(const struct aggregate *a);
struct locator *aggregate_locator(const struct aggregate *a);
/* The series of the creation of a thread that lives; SERIES_NONE: nobody saw it. */
uint32_t aggregate_thread(const struct aggregate *a, uint32_t pid, uint32_t tid);
/* Of a series of no rate as well: a rate without name and period. */
const struct aggregate_rate *aggregate_rate(const struct aggregate *a, uint32_t rate);
uint32_t aggregate_n_rates(const struct aggregate *a);
const char *aggregate_name(const struct aggregate *a, uint32_t name);
/* The name, a path, of series_key.cgroup; 0 while it is not known. */
uint32_t aggregate_cgroup(const struct aggregate *a, uint32_t cgroup);

#endif
