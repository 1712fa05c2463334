/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time in slots (slots.h): cuts a span at the borders of the slots that it lies in. Owns nothing.
 * What is added is first found room for, then written, so that a span is in the slots as a whole or
 * not at all.
 */
#include <errno.h>
#include "base/cleanup.h"
#include "collect/slots_internal.h"

#define SHORT_SLOTS 3 /* a part in so many slots has an entry in each; in more, a run */
#define MAX_PIECES  (2 * SHORT_SLOTS + 1)

struct piece {
	size_t slot; /* index */
	uint32_t position;
	uint64_t events, ns;
	unsigned part;
};

struct cut {
	struct piece pieces[MAX_PIECES];
	struct slot_run runs[2];
	size_t n_pieces, n_runs;
};

/* n, so many times and in so fine a unit; rounded. */
static uint64_t scaled(uint64_t n, double scale, uint64_t unit)
{
	double d = (double)n * scale * (double)unit + 0.5;

	return d < (double)(UINT64_MAX >> 1) ? (uint64_t)d : UINT64_MAX >> 1;
}

uint64_t span_scaled(uint64_t ns, double scale)
{
	return scaled(ns, scale, SPAN_NS);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

static void piece_add(struct cut *c, const struct span *w, size_t slot, unsigned part,
	uint64_t from, uint64_t until)
{
	/* As differences of what is rounded, so that a span is rounded as one. */
	uint64_t ns = span_scaled(until - w->from_ns, w->scale) -
		      span_scaled(from - w->from_ns, w->scale);

	if (ns > 0)
		c->pieces[c->n_pieces++] = (struct piece){ .slot = slot, .ns = ns, .part = part };
}

/* Cuts (from, until], which is all in one part. */
static void part_cut(const struct slots *s, struct cut *c, const struct span *w, unsigned part,
	uint64_t from, uint64_t until)
{
	if (from >= until)
		return;
	size_t first = slots_index(s, from), last = slots_index(s, until);

	if (last - first >= SHORT_SLOTS) {
		uint64_t run_from = slot_at(s, first + 1)->from_ns;
		uint64_t run_until = slot_at(s, last)->from_ns;
		piece_add(c, w, first, part, from, run_from);
		c->runs[c->n_runs++] = (struct slot_run){
			.part = part, .from_ns = run_from, .until_ns = run_until, .scale = w->scale
		};
		piece_add(c, w, last, part, run_until, until);
		return;
	}
	for (size_t i = first; i <= last; i++)
		piece_add(c, w, i, part, i == first ? from : slot_at(s, i)->from_ns,
			i == last ? until : slot_at(s, i + 1)->from_ns);
}

/* The position of the series in the slot's spans, made where it was not the last one. */
static int span_place(struct slots *s, struct slot *slot, uint32_t series, uint32_t *ret)
{
	struct series *e = ARRAY_AT(&s->series, struct series, series);

	if (e->last_slot != slot->sequence) {
		struct slot_span *span = slots_push(s, &slot->spans);
		if (!span)
			return -ENOSPC;
		*span = (struct slot_span){ .series = series };
		e->n_refs++;
		e->last_slot = slot->sequence;
		e->last_position = (uint32_t)(slot->spans.n - 1);
	}
	*ret = e->last_position;
	return 0;
}

/* Finds room for all of it. */
static int cut_place(struct slots *s, struct cut *c, struct slot *end, uint32_t series)
{
	for (size_t i = 0; i < c->n_pieces; i++) {
		struct piece *p = &c->pieces[i];
		int r = span_place(s, slot_at(s, p->slot), series, &p->position);
		if (r < 0)
			return r;
	}
	size_t n = end->runs.n;
	for (size_t i = 0; i < c->n_runs; i++) {
		if (!slots_push(s, &end->runs)) {
			end->runs.n = n;
			return -ENOSPC;
		}
	}
	end->runs.n = n;
	return 0;
}

static void cut_write(struct slots *s, const struct cut *c, struct slot *end, uint32_t series)
{
	for (size_t i = 0; i < c->n_pieces; i++) {
		const struct piece *p = &c->pieces[i];
		struct slot_span *span =
			ARRAY_AT(&slot_at(s, p->slot)->spans, struct slot_span, p->position);
		span->ns[p->part] = sum(span->ns[p->part], p->ns);
		span->events = sum(span->events, p->events);
		span->count += i == c->n_pieces - 1;
	}
	for (size_t i = 0; i < c->n_runs; i++) {
		struct slot_run *run = array_push(&end->runs); /* there is room */
		if (!run)
			continue;
		*run = c->runs[i];
		run->series = series;
		slots_ref(s, series);
	}
}

int slots_span(
	struct slots *s, const struct series_key *key, const struct span *span, bool *ret_new)
{
	struct cut cut = { 0 };
	struct span w = *span;
	uint32_t series;

	*ret_new = false;
	int r = slots_reach(s, w.until_ns);
	if (r < 0)
		return r;
	uint64_t oldest = slot_at(s, 0)->from_ns;
	if (w.until_ns < oldest)
		return -ESTALE;
	w.from_ns = MAX(w.from_ns, oldest);
	w.turn_ns = MAX(w.turn_ns, w.from_ns);
	part_cut(s, &cut, &w, w.part, w.from_ns, w.turn_ns);
	part_cut(s, &cut, &w, SPAN_RUNQ, w.turn_ns, w.until_ns);
	size_t last = slots_index(s, w.until_ns);
	if (cut.n_pieces == 0 || cut.pieces[cut.n_pieces - 1].slot != last)
		cut.pieces[cut.n_pieces++] = (struct piece){ .slot = last, .part = w.part };
	if (w.is_over)
		cut.pieces[cut.n_pieces - 1].events = scaled(1, w.scale, SPAN_EVENT);

	r = series_get(s, key, &series, ret_new);
	if (r < 0)
		return r;
	r = cut_place(s, &cut, slot_at(s, last), series);
	if (r >= 0)
		cut_write(s, &cut, slot_at(s, last), series);
	else if (*ret_new && slots_series(s, series)->n_refs == 0) {
		series_undo(s, series);
		*ret_new = false;
	}
	return r;
}
