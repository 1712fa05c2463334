/* SPDX-License-Identifier: Apache-2.0 */
/* Selecting (select.h). Owns its rows; each row's series is held by one reference. */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/select.h"

#define MAX_ROWS    (64U << 20)
#define NO_MATCH    UINT32_MAX
#define RUNS_A_LOOK 64 /* between two looks at the clock */

void selection_init(struct selection *s, struct aggregate *a, enum profile_type type,
	uint64_t from_ns, uint64_t until_ns, bool slots,
	bool (*matches)(void *userdata, const struct series_key *key), void *userdata)
{
	*s = (struct selection){
		.aggregate = a,
		.type = type,
		.from_ns = from_ns,
		.until_ns = until_ns ? until_ns : UINT64_MAX,
		.slots = slots,
		.matches = matches,
		.userdata = userdata,
		.rows = ARRAY_INIT(struct selected, MAX_ROWS),
		.row_of = ARRAY_INIT(uint32_t, MAX_ROWS),
	};
}

void selection_deinit(struct selection *s)
{
	if (s->aggregate)
		ARRAY_EACH(&s->rows, struct selected, row)
			if (row->series != SERIES_NONE)
				slots_unref(aggregate_slots(s->aggregate), row->series);
	array_deinit(&s->rows);
	array_deinit(&s->row_of);
	s->aggregate = NULL;
}

/* Is a profile of this type made of such series? */
static bool of_type(enum profile_type type, const struct series_key *key)
{
	switch (type) {
	case PROFILE_CPU:
		return key->probe_set == SERIES_CPU;
	case PROFILE_BLOCK:
		return key->probe_set == SET_WAITS && (key->flags & WAIT_IS_BLOCKED);
	case PROFILE_RUNQ:
	case PROFILE_OFFCPU:
		return key->probe_set == SET_WAITS;
	case PROFILE_WALL:
		return key->probe_set == SET_WAITS || key->probe_set == SERIES_WALL ||
		       key->probe_set == SERIES_UNSAMPLED;
	case PROFILE_MUTEX:
		return key->probe_set == SET_UNLOCKS;
	case PROFILE_THREADCREATE:
		return key->probe_set == SET_CREATES;
	case PROFILE_TYPES_N:
		break;
	}
	return false;
}

static void sum(uint64_t *to, uint64_t n)
{
	*to = n > UINT64_MAX - *to ? UINT64_MAX : *to + n;
}

/* Adds what a slot has of a series to the row of the series, of this slot where slots are asked
 * for. */
static int add(struct selection *s, const struct selected *part)
{
	struct slots *slots = aggregate_slots(s->aggregate);

	if (part->series >= s->row_of.n) {
		int r = array_resize(&s->row_of, slots_n_series(slots));
		if (r < 0)
			return r;
	}
	uint32_t *at = ARRAY_AT(&s->row_of, uint32_t, part->series);
	const struct series_key *key = &slots_series(slots, part->series)->key;
	if (*at == 0 && !(of_type(s->type, key) && s->matches(s->userdata, key)))
		*at = NO_MATCH;
	if (*at == NO_MATCH)
		return 0;
	if (key->probe_set != SERIES_UNSAMPLED)
		s->samples += part->count;
	if (*at != 0) {
		struct selected *row = ARRAY_AT(&s->rows, struct selected, *at - 1);
		if (!s->slots || row->slot_ns == part->slot_ns) {
			sum(&row->count, part->count);
			sum(&row->events, part->events);
			for (unsigned i = 0; i < SPAN_PARTS; i++)
				sum(&row->ns[i], part->ns[i]);
			return 0;
		}
	}
	struct selected *row = array_push(&s->rows);
	if (!row)
		return -ENOMEM;
	*row = *part;
	if (!s->slots)
		row->slot_ns = 0;
	slots_ref(slots, part->series);
	*at = (uint32_t)s->rows.n;
	return 0;
}

/* The counts and spans of a slot. */
static int slot_add(struct selection *s, const struct slot *slot)
{
	if (s->type == PROFILE_CPU) {
		ARRAY_EACH(&slot->counts, struct slot_count, c) {
			int r = add(s, &(struct selected){ .series = c->series,
					       .count = c->count,
					       .slot_ns = slot->from_ns });
			if (r < 0)
				return r;
		}
		return 0;
	}
	ARRAY_EACH(&slot->spans, struct slot_span, span) {
		struct selected part = { .series = span->series,
			.count = span->count,
			.events = span->events,
			.slot_ns = slot->from_ns };
		memcpy(part.ns, span->ns, sizeof(part.ns));
		int r = add(s, &part);
		if (r < 0)
			return r;
	}
	return 0;
}

static int run_part(struct selection *s, const struct slot_run *run, uint64_t from_ns,
	uint64_t until_ns, uint64_t slot_ns)
{
	struct selected part = { .series = run->series, .slot_ns = slot_ns };

	part.ns[run->part] = span_scaled(until_ns - from_ns, run->scale);
	return add(s, &part);
}

/* What a run has of the slots selected so far: it ends before the one that it is in. */
static int run_add(struct selection *s, const struct slot_run *run)
{
	const struct slots *slots = aggregate_slots(s->aggregate);
	uint64_t from = MAX(run->from_ns, s->got_from_ns);
	uint64_t until = MIN(run->until_ns, s->got_until_ns);

	if (from >= until)
		return 0;
	if (!s->slots)
		return run_part(s, run, from, until, 0);
	for (size_t i = slots_index(slots, from); i < slots_n(slots); i++) {
		const struct slot *slot = slots_at(slots, i);
		if (slot->from_ns >= until)
			break;
		int r = run_part(s, run, MAX(from, slot->from_ns), MIN(until, slot->until_ns),
			slot->from_ns);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Goes on with the runs of a slot. 1: through. */
static int runs_add(struct selection *s, const struct slot *slot, uint64_t deadline)
{
	while (s->next_run < slot->runs.n) {
		int r = run_add(s, ARRAY_AT(&slot->runs, struct slot_run, s->next_run++));
		if (r < 0)
			return r;
		if (s->next_run % RUNS_A_LOOK == 0 && clock_monotonic_ns() > deadline)
			return 0;
	}
	return 1;
}

/* A series that matched stays pinned, one that did not may be freed between two steps and its
 * number taken by another: so what did not match is asked again in the next step. */
static void forget_mismatches(struct selection *s)
{
	ARRAY_EACH(&s->row_of, uint32_t, row)
		if (*row == NO_MATCH)
			*row = 0;
}

/* A slot: its counts and spans where it is asked for, of all later ones the runs, which reach back.
 * 1: through with it. */
static int slot_step(struct selection *s, const struct slot *slot, uint64_t deadline)
{
	uint64_t middle = slot->from_ns + (slot->until_ns - slot->from_ns) / 2;

	if (middle < s->from_ns)
		return 1;
	if (!s->in_runs && middle < s->until_ns) {
		if (!s->got_from_ns)
			s->got_from_ns = slot->from_ns;
		s->got_until_ns = slot->until_ns;
		int r = slot_add(s, slot);
		if (r < 0)
			return r;
	}
	s->in_runs = true;
	if (s->type == PROFILE_CPU)
		return 1;
	return runs_add(s, slot, deadline);
}

int selection_step(struct selection *s, uint64_t budget_ns)
{
	struct slots *slots = aggregate_slots(s->aggregate);
	uint64_t deadline = clock_monotonic_ns() + budget_ns;
	const struct slot *first = slots_at(slots, 0), *slot;

	forget_mismatches(s);
	if (first && s->next_sequence < first->sequence) {
		s->next_sequence = first->sequence;
		s->next_run = 0;
		s->in_runs = false;
	}
	while (first && (slot = slots_at(slots, s->next_sequence - first->sequence))) {
		int r = slot_step(s, slot, deadline);
		if (r <= 0)
			return r;
		s->next_sequence++;
		s->next_run = 0;
		s->in_runs = false;
		if (clock_monotonic_ns() > deadline)
			return 0;
	}
	s->done = true;
	return 0;
}

int selection_threads(struct selection *s, const struct dump_thread *threads, size_t n)
{
	struct aggregate *a = s->aggregate;

	for (size_t i = 0; i < n; i++) {
		uint32_t series = aggregate_thread(a, threads[i].pid, threads[i].tid);
		struct selected *row = array_push(&s->rows);
		if (!row)
			return -ENOMEM;
		*row = (struct selected){ .count = 1,
			.series = SERIES_NONE,
			.pid = threads[i].pid,
			.tid = threads[i].tid };
		if (series == SERIES_NONE ||
			!s->matches(s->userdata, &slots_series(aggregate_slots(a), series)->key))
			continue;
		row->series = series;
		slots_ref(aggregate_slots(a), series);
	}
	s->samples = n;
	s->got_from_ns = s->got_until_ns = clock_monotonic_ns();
	s->done = true;
	return 0;
}
