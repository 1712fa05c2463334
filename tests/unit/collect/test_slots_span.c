/* SPDX-License-Identifier: Apache-2.0 */
/* Time in slots: cut exactly, scaled and rounded once, all of it or nothing, at bounded cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "collect/slots.h"

#define SECOND	1000000000ULL
#define MS	1000000ULL
#define HISTORY (3600 * SECOND)

static unsigned released;

static void on_released(void *userdata, const struct series_key *key)
{
	(void)userdata;
	(void)key;
	released++;
}

static struct slots *slots(uint64_t history_ns)
{
	struct slots *s;
	released = 0;
	assert_int_equal(slots_new(&s, history_ns, on_released, NULL), 0);
	return s;
}

static int add(struct slots *s, uint32_t process, const struct span *span)
{
	struct series_key k = { .process = process, .probe_set = SET_WAITS };
	bool is_new;
	return slots_span(s, &k, span, &is_new);
}

/* A wait that is over. */
static struct span wait_of(uint64_t from, uint64_t woken, uint64_t until)
{
	return (struct span){ .from_ns = from,
		.turn_ns = woken,
		.until_ns = until,
		.scale = 1,
		.part = SPAN_BLOCKED,
		.is_over = true };
}

/* What a slot has of a part, times SPAN_NS: its spans, and its share of the runs of all. */
static uint64_t part_in(const struct slots *s, size_t i, unsigned part)
{
	const struct slot *slot = slots_at(s, i);
	uint64_t sum = 0;

	ARRAY_EACH(&slot->spans, struct slot_span, span)
		sum += span->ns[part];
	for (size_t k = i; k < slots_n(s); k++)
		ARRAY_EACH(&slots_at(s, k)->runs, struct slot_run, run)
			if (run->part == part && run->from_ns <= slot->from_ns &&
				run->until_ns >= slot->until_ns)
				sum += span_scaled(slot->until_ns - slot->from_ns, run->scale);
	return sum;
}

static uint64_t part_total(const struct slots *s, unsigned part)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < slots_n(s); i++)
		sum += part_in(s, i, part);
	return sum;
}

static uint64_t events(const struct slots *s, size_t i)
{
	uint64_t sum = 0;
	ARRAY_EACH(&slots_at(s, i)->spans, struct slot_span, span)
		sum += span->events;
	return sum;
}

static void a_wait_over_three_slots_is_cut_at_their_borders(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w =
		wait_of(10 * SECOND + 250 * MS, 12 * SECOND + 100 * MS, 12 * SECOND + 130 * MS);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	assert_int_equal(add(s, 1, &w), 0);
	assert_int_equal(slots_n(s), 3);
	assert_int_equal(part_in(s, 0, SPAN_BLOCKED), 750 * MS * SPAN_NS);
	assert_int_equal(part_in(s, 1, SPAN_BLOCKED), 1000 * MS * SPAN_NS);
	assert_int_equal(part_in(s, 2, SPAN_BLOCKED), 100 * MS * SPAN_NS);
	assert_int_equal(part_in(s, 2, SPAN_RUNQ), 30 * MS * SPAN_NS);
	assert_int_equal(part_total(s, SPAN_RUNQ), 30 * MS * SPAN_NS);
	assert_int_equal(events(s, 0) + events(s, 1), 0);
	assert_int_equal(events(s, 2), SPAN_EVENT);
	slots_free(s);
}

static void a_boundary_within_a_second_cuts_too(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w = wait_of(10 * SECOND + 1, 10 * SECOND + 777, 10 * SECOND + 777);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	assert_int_equal(slots_split(s, 10 * SECOND + 500), 0);
	assert_int_equal(add(s, 1, &w), 0);
	assert_int_equal(part_in(s, 0, SPAN_BLOCKED), 499 * SPAN_NS);
	assert_int_equal(part_in(s, 1, SPAN_BLOCKED), 277 * SPAN_NS);
	slots_free(s);
}

/* An hour of waiting is exact in every second of it, and costs about what a second costs. */
static void a_long_wait_is_exact_and_small(void **state)
{
	struct slots *s = slots(HISTORY);
	uint64_t from = 10 * SECOND + 7, until = from + 3500 * SECOND + 5 * MS;
	struct span w = wait_of(from, until - 4 * SECOND, until);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	assert_int_equal(slots_split(s, until), 0);
	size_t before = slots_bytes(s);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(add(s, i, &w), 0);
	assert_true(slots_bytes(s) - before < 100 * 1024);
	assert_int_equal(part_total(s, SPAN_BLOCKED), 100 * (w.turn_ns - from) * SPAN_NS);
	assert_int_equal(part_total(s, SPAN_RUNQ), 100 * 4 * SECOND * SPAN_NS);
	assert_int_equal(part_in(s, 0, SPAN_BLOCKED), 100 * (SECOND - 7) * SPAN_NS);
	assert_int_equal(part_in(s, 1000, SPAN_BLOCKED), 100 * SECOND * SPAN_NS);
	slots_free(s);
}

static void what_is_told_in_pieces_adds_up_and_is_one_event(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w = wait_of(10 * SECOND, 13 * SECOND, 13 * SECOND);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	w.is_over = false;
	assert_int_equal(add(s, 1, &w), 0);
	for (size_t i = 0; i < slots_n(s); i++)
		assert_int_equal(events(s, i), 0);
	w = wait_of(13 * SECOND, 14 * SECOND + 1, 14 * SECOND + 3);
	assert_int_equal(add(s, 1, &w), 0);
	assert_int_equal(part_total(s, SPAN_BLOCKED), (4 * SECOND + 1) * SPAN_NS);
	assert_int_equal(part_total(s, SPAN_RUNQ), 2 * SPAN_NS);
	assert_int_equal(events(s, slots_n(s) - 1), SPAN_EVENT);
	slots_free(s);
}

static void late_waits_reach_old_slots(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w = wait_of(20 * SECOND + 5, 20 * SECOND + 9, 20 * SECOND + 9);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	assert_int_equal(slots_split(s, 1000 * SECOND), 0);
	size_t n = slots_n(s);
	assert_int_equal(add(s, 1, &w), 0);
	assert_int_equal(slots_n(s), n);
	assert_int_equal(part_in(s, 10, SPAN_BLOCKED), 4 * SPAN_NS);
	assert_int_equal(events(s, 10), SPAN_EVENT);
	slots_free(s);
}

static void what_is_older_than_all_slots_is_cut_off(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w = wait_of(3 * SECOND, 11 * SECOND, 12 * SECOND);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND + 500 * MS), 0);
	assert_int_equal(add(s, 1, &w), 0);
	assert_int_equal(part_total(s, SPAN_BLOCKED), 500 * MS * SPAN_NS);
	assert_int_equal(part_total(s, SPAN_RUNQ), SECOND * SPAN_NS);
	w = wait_of(3 * SECOND, 4 * SECOND, 10 * SECOND);
	assert_int_equal(add(s, 1, &w), -ESTALE);
	slots_free(s);
}

static void there_is_a_slot_for_every_time(void **state)
{
	struct slots *s = slots(100 * SECOND);
	struct span w = wait_of(9 * SECOND + 1, 9 * SECOND + 2, 9 * SECOND + 2);

	(void)state;
	assert_int_equal(add(s, 1, &w), 0);
	w = wait_of(50 * SECOND + 1, 50 * SECOND + 2, 50 * SECOND + 2);
	assert_int_equal(add(s, 1, &w), 0);
	for (size_t i = 0; i + 1 < slots_n(s); i++)
		assert_int_equal(slots_at(s, i)->until_ns, slots_at(s, i + 1)->from_ns);
	assert_int_equal(slots_n(s), 42);
	/* As far as the history goes: a machine that slept for a year has no year of slots. */
	w = wait_of(40000000 * SECOND, 40000000 * SECOND + 1, 40000000 * SECOND + 1);
	assert_int_equal(add(s, 1, &w), 0);
	assert_in_range(slots_n(s), 100, 200);
	slots_free(s);
}

/* 12 ns that count for 10,000.1: the sum is rounded once, however often it was cut. */
static void the_parts_of_a_scaled_wait_are_rounded_as_one(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w = wait_of(11 * SECOND - 7, 11 * SECOND + 2, 11 * SECOND + 5);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	w.scale = 10000.1 / 12;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(add(s, 1, &w), 0);
	double sum = (double)(part_total(s, SPAN_BLOCKED) + part_total(s, SPAN_RUNQ)) / SPAN_NS;
	assert_true(sum > 10000100 * (1 - 1e-6) && sum < 10000100 * (1 + 1e-6));
	double blocked = (double)part_total(s, SPAN_BLOCKED) / SPAN_NS;
	assert_true(blocked > 7500075 * (1 - 1e-6) && blocked < 7500075 * (1 + 1e-6));
	double n = (double)events(s, 1) / SPAN_EVENT;
	assert_true(n > 833341.6666 * (1 - 1e-6) && n < 833341.6667 * (1 + 1e-6));
	slots_free(s);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Waits of 1 to 20,000 ns, kept as the kernel side keeps them: time and events are the truth's, to
 * four times the deviation that chance gives. */
static void waits_kept_by_their_duration_are_unbiased(void **state)
{
	const uint64_t threshold = 10000;
	uint64_t seed = 7, at = 10 * SECOND, truth = 0, n = 400000;
	struct slots *s = slots(HISTORY);
	double time_variance = 0, event_variance = 0;

	(void)state;
	assert_int_equal(slots_split(s, at), 0);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t d = 1 + random_next(&seed) % 20000, draw = random_next(&seed) % threshold;
		struct span w = wait_of(at, at + d, at + d);
		double p = d < threshold ? (double)d / (double)threshold : 1;
		truth += d;
		at += d;
		time_variance += (double)d * (double)d * (1 - p) / p;
		event_variance += (1 - p) / p;
		w.scale = 1 / p;
		if (draw < d)
			assert_int_equal(add(s, 1, &w), 0);
	}
	double time = (double)part_total(s, SPAN_BLOCKED) / SPAN_NS - (double)truth, count = 0;
	for (size_t i = 0; i < slots_n(s); i++)
		count += (double)events(s, i) / SPAN_EVENT;
	count -= (double)n;
	assert_true(time * time < 16 * time_variance);
	assert_true(count * count < 16 * event_variance);
	slots_free(s);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
	struct slots *s = slots(HISTORY);
	struct span w = wait_of(10 * SECOND, 13 * SECOND, 19 * SECOND);
	uint32_t i = 0;
	int r;

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	assert_int_equal(add(s, 0, &w), 0);
	slots_limit(s, 256 * 1024);
	while ((r = add(s, ++i, &w)) == 0)
		;
	assert_int_equal(r, -ENOSPC);
	assert_true(slots_bytes(s) <= 256 * 1024);
	assert_int_equal(part_total(s, SPAN_BLOCKED), i * 3 * SECOND * SPAN_NS);
	assert_int_equal(part_total(s, SPAN_RUNQ), i * 6 * SECOND * SPAN_NS);
	/* The oldest slot makes room. */
	assert_true(slots_drop_oldest(s));
	slots_free(s);
}

static void a_history_of_empty_slots_leaves_room(void **state)
{
	struct slots *s = slots(10 * 24 * HISTORY);
	struct span w = wait_of(10 * SECOND, 10 * SECOND + 1, 10 * SECOND + 1);

	(void)state;
	slots_limit(s, 1 << 20);
	assert_int_equal(add(s, 1, &w), 0);
	w = wait_of(200000 * SECOND, 200000 * SECOND + 1, 200000 * SECOND + 1);
	assert_int_equal(add(s, 2, &w), 0);
	assert_true(slots_bytes(s) < 1 << 18);
	assert_int_equal(slots_at(s, slots_n(s) - 1)->from_ns, 200000 * SECOND);
	assert_in_range(slots_n(s), 1000, 2000);
	assert_int_equal(released, 1);
	slots_free(s);
}

static void a_series_is_freed_with_its_last_span_and_run(void **state)
{
	struct slots *s = slots(20 * SECOND);
	struct span w = wait_of(10 * SECOND, 19 * SECOND, 19 * SECOND);
	struct span later = wait_of(60 * SECOND, 60 * SECOND + 1, 60 * SECOND + 1);

	(void)state;
	assert_int_equal(slots_split(s, 10 * SECOND), 0);
	assert_int_equal(add(s, 1, &w), 0);
	slots_expire(s, 39 * SECOND);
	assert_int_equal(released, 0);
	assert_int_equal(part_total(s, SPAN_BLOCKED), SECOND * SPAN_NS);
	assert_int_equal(add(s, 2, &later), 0);
	slots_expire(s, 60 * SECOND);
	assert_int_equal(released, 1);
	slots_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_over_three_slots_is_cut_at_their_borders),
		cmocka_unit_test(a_boundary_within_a_second_cuts_too),
		cmocka_unit_test(a_long_wait_is_exact_and_small),
		cmocka_unit_test(what_is_told_in_pieces_adds_up_and_is_one_event),
		cmocka_unit_test(late_waits_reach_old_slots),
		cmocka_unit_test(what_is_older_than_all_slots_is_cut_off),
		cmocka_unit_test(there_is_a_slot_for_every_time),
		cmocka_unit_test(the_parts_of_a_scaled_wait_are_rounded_as_one),
		cmocka_unit_test(waits_kept_by_their_duration_are_unbiased),
		cmocka_unit_test(what_does_not_fit_leaves_nothing),
		cmocka_unit_test(a_history_of_empty_slots_leaves_room),
		cmocka_unit_test(a_series_is_freed_with_its_last_span_and_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
