/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first half of a dump: which series in which span, summed. Works in bounded steps while
 * samples go on arriving; what it has selected is held by reference. Which series a profile type is
 * made of is decided here, what its values and labels are in image_row.c.
 */
#ifndef PROFD_COLLECT_SELECT_H
#define PROFD_COLLECT_SELECT_H

#include "collect/aggregate.h"
#include "profile/types.h"

/* A thread that lives now. */
struct dump_thread {
	uint32_t pid, tid;
};

/* Of a sample of CPU time: count. Of a thread that lives: count, pid, tid. Of all else: events and
 * ns. */
struct selected {
	uint64_t count;		 /* samples as they came, also where there are events */
	uint64_t events;	 /* times SPAN_EVENT */
	uint64_t ns[SPAN_PARTS]; /* times SPAN_NS */
	uint64_t slot_ns;	 /* start of its slot, with `slots`; else 0 */
	uint32_t series;	 /* SERIES_NONE: of a thread that nobody saw being made */
	uint32_t pid, tid;	 /* 0: those of the series */
	uint32_t pad;
};

struct selection {
	struct aggregate *aggregate; /* borrowed */
	enum profile_type type;
	uint64_t from_ns, until_ns; /* asked for; 0: no bound */
	bool slots;
	/* Does the series belong to what was asked for, by target and by authorization? */
	bool (*matches)(void *userdata, const struct series_key *key);
	void *userdata;
	uint64_t next_sequence; /* of the slot to look at next */
	size_t next_run;	/* of its runs; */
	bool in_runs;		/* the rest of it is taken */
	struct array rows;	/* struct selected */
	struct array
		row_of; /* uint32_t by series: row + 1; 0: not met, UINT32_MAX: does not match */
	uint64_t got_from_ns, got_until_ns; /* of the slots used */
	uint64_t samples;
	bool done;
};

/* The slots whose middle lies in [from, until). */
void selection_init(struct selection *s, struct aggregate *a, enum profile_type type,
	uint64_t from_ns, uint64_t until_ns, bool slots,
	bool (*matches)(void *userdata, const struct series_key *key), void *userdata);
/* Frees and lets go of the series. */
void selection_deinit(struct selection *s);
/* Goes on for about budget_ns; done says whether it is through. 0, -ENOMEM. Not for
 * PROFILE_THREADCREATE, which is of now: */
int selection_step(struct selection *s, uint64_t budget_ns);
/* A row for each of these threads, all at once. */
int selection_threads(struct selection *s, const struct dump_thread *threads, size_t n);

#endif
