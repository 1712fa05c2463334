/* SPDX-License-Identifier: Apache-2.0 */
/* Selecting (select.h). Owns its rows; each row's series is held by one reference. */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/select.h"

#define MAX_ROWS (64U << 20)
#define NO_MATCH UINT32_MAX

void selection_init(struct selection *s, struct aggregate *a, uint64_t from_ns, uint64_t until_ns,
	bool slots, bool (*matches)(void *userdata, const struct series_key *key), void *userdata)
{
	*s = (struct selection){
		.aggregate = a,
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
			slots_unref(aggregate_slots(s->aggregate), row->series);
	array_deinit(&s->rows);
	array_deinit(&s->row_of);
	s->aggregate = NULL;
}

static int row_add(struct selection *s, uint32_t series, uint64_t count, uint64_t slot_ns)
{
	struct selected *row = array_push(&s->rows);
	if (!row)
		return -ENOMEM;
	*row = (struct selected){ .series = series, .count = count, .slot_ns = slot_ns };
	slots_ref(aggregate_slots(s->aggregate), series);
	return 0;
}

static int count_add(struct selection *s, const struct slot *slot, const struct slot_count *c)
{
	if (c->series >= s->row_of.n) {
		int r = array_resize(&s->row_of, slots_n_series(aggregate_slots(s->aggregate)));
		if (r < 0)
			return r;
	}
	uint32_t *row = ARRAY_AT(&s->row_of, uint32_t, c->series);
	const struct series *series = slots_series(aggregate_slots(s->aggregate), c->series);
	if (*row == 0 && !s->matches(s->userdata, &series->key))
		*row = NO_MATCH;
	if (*row == NO_MATCH)
		return 0;
	s->samples += c->count;
	if (*row != 0 && !s->slots) {
		ARRAY_AT(&s->rows, struct selected, *row - 1)->count += c->count;
		return 0;
	}
	int r = row_add(s, c->series, c->count, s->slots ? slot->from_ns : 0);
	if (r >= 0)
		*row = (uint32_t)s->rows.n;
	return r;
}

/* A series that matched stays pinned, one that did not may be freed between two steps and its
 * number taken by another: so what did not match is asked again in the next step. */
static void forget_mismatches(struct selection *s)
{
	ARRAY_EACH(&s->row_of, uint32_t, row)
		if (*row == NO_MATCH)
			*row = 0;
}

int selection_step(struct selection *s, uint64_t budget_ns)
{
	struct slots *slots = aggregate_slots(s->aggregate);
	uint64_t deadline = clock_monotonic_ns() + budget_ns;
	const struct slot *first = slots_at(slots, 0);

	forget_mismatches(s);
	if (!first) {
		s->done = true;
		return 0;
	}
	if (s->next_sequence < first->sequence)
		s->next_sequence = first->sequence;
	for (;;) {
		const struct slot *slot = slots_at(slots, s->next_sequence - first->sequence);
		if (!slot)
			break;
		s->next_sequence++;
		uint64_t middle = slot->from_ns + (slot->until_ns - slot->from_ns) / 2;
		if (middle < s->from_ns)
			continue;
		if (middle >= s->until_ns)
			break;
		if (!s->got_from_ns)
			s->got_from_ns = slot->from_ns;
		s->got_until_ns = slot->until_ns;
		ARRAY_EACH(&slot->counts, struct slot_count, c) {
			int r = count_add(s, slot, c);
			if (r < 0)
				return r;
		}
		if (clock_monotonic_ns() > deadline)
			return 0;
	}
	s->done = true;
	return 0;
}
