/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was collected and lost and what it cost, second by second, so that a profile can say it for
 * its own span. Each account is the running total at a time; a span is the difference of two.
 */
#ifndef PROFD_ACCOUNT_H
#define PROFD_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"
#include "bpf/abi.h"

#define ACCOUNT_THREADS (ABI_SETS - ABI_EVENT_SETS)

/* triggered = not_run + idle + filtered + stored + the sum of dropped. */
struct account_counts {
	uint64_t triggered, not_run, idle, filtered, stored, superseded;
	uint64_t dropped[DROP_COUNT], truncated[TRUNCATE_COUNT];
	uint64_t own_ns; /* of the programs */
};

struct account {
	uint64_t time_ns;
	struct account_counts cpu; /* all event sets */
	uint64_t sideband_lost;
	uint64_t bpf_ns, daemon_ns, target_ns, symbolizer_ns, encoder_ns; /* CPU */
};

/* What happened to threads; by enum probe_set - ABI_EVENT_SETS. */
struct account_threads {
	uint64_t time_ns;
	struct account_counts sets[ACCOUNT_THREADS];
	uint64_t missed_wakings, missed_switches, missed_threads; /* kernel_threads_missed() */
};

struct account_rows {
	struct array all; /* in order of time, with which each begins */
	bool is_cut;	  /* there were earlier ones */
};

struct account_log {
	struct account_rows rows;    /* struct account */
	struct account_rows threads; /* struct account_threads; only those that differ */
};

struct profd;

/* The totals now. */
void account_now(struct profd *p, struct account *ret);
/* Keeps the totals now; forgets what is older than the history. */
void account_keep(struct profd *p);
/* What happened between two times (as near as what is kept allows; 0: the first kept, now). */
void account_span(struct profd *p, uint64_t from_ns, uint64_t until_ns, struct account *ret);
void account_threads_span(
	struct profd *p, uint64_t from_ns, uint64_t until_ns, struct account_threads *ret);
/* A stack of that set taken at that time, counted under one reason, was walked again and ended with
 * another. */
void account_moved(struct profd *p, unsigned set, uint64_t time_ns, enum truncate_reason from,
	enum truncate_reason to);
void account_log_deinit(struct account_log *l);

#endif
