/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series and slots (slots.h). Owns both; looks into neither processes nor stacks. The slots are a
 * circular array in order of time without gaps in the sequence numbers. Every count, span and run
 * holds a reference on its series.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collect/slots_internal.h"

#define MAX_SERIES   (16U << 20)
#define MAX_SLOTS    (1U << 20)
#define MAX_PER_SLOT (4U << 20)
#define LATE_SLOTS   64 /* how long the first slot of all takes what came before it */

static uint64_t series_hash_of(const void *ctx, uint32_t id)
{
	const struct slots *s = ctx;
	const struct series *e = ARRAY_AT(&s->series, struct series, id);
	return hash_bytes(&e->key, sizeof(e->key), s->seed);
}

static bool series_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct slots *s = ctx;
	return memcmp(&ARRAY_AT(&s->series, struct series, id)->key, key,
		       sizeof(struct series_key)) == 0;
}

_Static_assert(sizeof(struct series_key) == 64, "series_key is hashed and compared as bytes");

int slots_new(struct slots **ret, uint64_t history_ns,
	void (*released)(void *userdata, const struct series_key *key), void *userdata)
{
	struct slots *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->series = (struct array)ARRAY_INIT(struct series, MAX_SERIES);
	s->free_series = SERIES_NONE;
	s->history_ns = history_ns;
	s->next_sequence = 1;
	s->max_bytes = SIZE_MAX;
	s->seed = hash_seed();
	s->released = released;
	s->userdata = userdata;
	table_init(&s->index, MAX_SERIES, series_hash_of, series_equal, s);
	*ret = s;
	return 0;
}

struct slot *slot_at(const struct slots *s, size_t i)
{
	return &s->ring[(s->first + i) & (s->allocated - 1)];
}

static void slot_deinit(struct slot *slot)
{
	array_deinit(&slot->counts);
	array_deinit(&slot->spans);
	array_deinit(&slot->runs);
}

static size_t slot_bytes(const struct slot *slot)
{
	return array_bytes(&slot->counts) + array_bytes(&slot->spans) + array_bytes(&slot->runs);
}

struct slots *slots_free(struct slots *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		slot_deinit(slot_at(s, i));
	table_deinit(&s->index);
	array_deinit(&s->series);
	free(s->ring);
	free(s);
	return NULL;
}

size_t slots_bytes(const struct slots *s)
{
	return s->allocated * sizeof(struct slot) + s->entry_bytes + array_bytes(&s->series) +
	       table_bytes(&s->index);
}

void slots_limit(struct slots *s, size_t bytes)
{
	s->max_bytes = bytes;
}

/* Arrays and tables grow by doubling; `more`: what else grows with this one. */
static bool may_grow(const struct slots *s, const struct array *a, size_t more)
{
	return a->n < a->allocated || array_bytes(a) == 0 ||
	       slots_bytes(s) + array_bytes(a) + more <= s->max_bytes;
}

void *slots_push(struct slots *s, struct array *entries)
{
	if (!may_grow(s, entries, 0))
		return NULL;
	size_t before = array_bytes(entries);
	void *entry = array_push(entries);
	s->entry_bytes += array_bytes(entries) - before;
	return entry;
}

const struct slot *slots_at(const struct slots *s, size_t i)
{
	return i < s->n ? slot_at(s, i) : NULL;
}

size_t slots_n(const struct slots *s)
{
	return s->n;
}

const struct series *slots_series(const struct slots *s, uint32_t series)
{
	return ARRAY_AT(&s->series, struct series, series);
}

uint32_t slots_n_series(const struct slots *s)
{
	return (uint32_t)s->series.n;
}

void slots_ref(struct slots *s, uint32_t series)
{
	ARRAY_AT(&s->series, struct series, series)->n_refs++;
}

void slots_unref(struct slots *s, uint32_t series)
{
	struct series *e = ARRAY_AT(&s->series, struct series, series);
	if (--e->n_refs > 0)
		return;
	struct series_key key = e->key;
	table_remove(&s->index, series_hash_of(s, series), series);
	*e = (struct series){ .key.process = s->free_series };
	s->free_series = series;
	s->released(s->userdata, &key);
}

static int ring_grow(struct slots *s)
{
	size_t allocated = s->allocated ? s->allocated * 2 : 64;
	if (allocated > MAX_SLOTS)
		return -ENOSPC;
	struct slot *ring = malloc(allocated * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		ring[i] = *slot_at(s, i);
	free(s->ring);
	s->ring = ring;
	s->allocated = allocated;
	s->first = 0;
	return 0;
}

static int slot_push(struct slots *s, uint64_t from_ns, uint64_t until_ns)
{
	/* The ring never shrinks: it gets no more than its share. */
	bool fits = 2 * s->allocated * sizeof(struct slot) <= s->max_bytes / 4;

	if (s->n == s->allocated && !fits && s->n > 1) {
		(void)slots_drop_oldest(s);
	} else if (s->n == s->allocated) {
		int r = ring_grow(s);
		if (r < 0)
			return r;
	}
	*slot_at(s, s->n++) = (struct slot){
		.sequence = s->next_sequence++,
		.from_ns = from_ns,
		.until_ns = until_ns,
		.counts = ARRAY_INIT(struct slot_count, MAX_PER_SLOT),
		.spans = ARRAY_INIT(struct slot_span, MAX_PER_SLOT),
		.runs = ARRAY_INIT(struct slot_run, MAX_PER_SLOT),
	};
	return 0;
}

int slots_reach(struct slots *s, uint64_t time_ns)
{
	uint64_t from = time_ns - time_ns % LIMIT_SLOT_NS;
	uint64_t oldest = from > s->history_ns ? from - s->history_ns : 0;

	oldest -= oldest % LIMIT_SLOT_NS;
	if (s->n > 0)
		from = MAX(slot_at(s, s->n - 1)->until_ns, oldest);
	while (from <= time_ns) {
		uint64_t until = from - from % LIMIT_SLOT_NS + LIMIT_SLOT_NS;
		int r = slot_push(s, from, until);
		if (r < 0)
			return r;
		from = until;
	}
	return 0;
}

size_t slots_index(const struct slots *s, uint64_t time_ns)
{
	size_t low = 0, high = s->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (slot_at(s, middle)->from_ns <= time_ns)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The slot of a time, made when it is later than all; NULL: too old, or no memory (*ret_error). */
static struct slot *slot_of(struct slots *s, uint64_t time_ns, int *ret_error)
{
	int r = slots_reach(s, time_ns);
	if (r < 0) {
		*ret_error = r;
		return NULL;
	}
	struct slot *slot = slot_at(s, slots_index(s, time_ns));
	/* The very first slot takes what came a little before it. */
	if (time_ns >= slot->from_ns || (s->n <= LATE_SLOTS && s->next_sequence == s->n + 1))
		return slot;
	*ret_error = -ESTALE;
	return NULL;
}

bool slots_has(const struct slots *s, const struct series_key *key)
{
	return table_find(&s->index, hash_bytes(key, sizeof(*key), s->seed), key) != TABLE_NONE;
}

int series_get(struct slots *s, const struct series_key *key, uint32_t *ret, bool *ret_new)
{
	uint64_t hash = hash_bytes(key, sizeof(*key), s->seed);
	uint32_t id = table_find(&s->index, hash, key);
	*ret_new = false;
	if (id == TABLE_NONE) {
		struct series *e;
		id = s->free_series;
		if (id != SERIES_NONE) {
			e = ARRAY_AT(&s->series, struct series, id);
			s->free_series = e->key.process;
		} else {
			id = (uint32_t)s->series.n;
			e = may_grow(s, &s->series, table_bytes(&s->index)) ? array_push(&s->series)
									    : NULL;
			if (!e)
				return -ENOSPC;
		}
		*e = (struct series){ .key = *key };
		int r = table_add(&s->index, hash, id);
		if (r < 0) {
			*e = (struct series){ .key.process = s->free_series };
			s->free_series = id;
			return r;
		}
		*ret_new = true;
	}
	*ret = id;
	return 0;
}

void series_undo(struct slots *s, uint32_t series)
{
	struct series *e = ARRAY_AT(&s->series, struct series, series);

	table_remove(&s->index, series_hash_of(s, series), series);
	*e = (struct series){ .key.process = s->free_series };
	s->free_series = series;
}

int slots_count(struct slots *s, const struct series_key *key, uint64_t time_ns, bool *ret_new)
{
	int r = 0;
	uint32_t id;
	bool is_new;

	*ret_new = false;
	struct slot *slot = slot_of(s, time_ns, &r);
	if (!slot)
		return r;
	r = series_get(s, key, &id, &is_new);
	if (r < 0)
		return r;
	struct series *e = ARRAY_AT(&s->series, struct series, id);
	if (e->last_slot == slot->sequence) {
		ARRAY_AT(&slot->counts, struct slot_count, e->last_position)->count++;
		return 0;
	}
	struct slot_count *c = slots_push(s, &slot->counts);
	if (!c) {
		if (is_new)
			series_undo(s, id);
		return -ENOSPC;
	}
	*c = (struct slot_count){ .series = id, .count = 1 };
	e->last_slot = slot->sequence;
	e->last_position = (uint32_t)(slot->counts.n - 1);
	e->n_refs++;
	*ret_new = is_new;
	return 0;
}

int slots_hold(struct slots *s, const struct series_key *key, uint32_t *ret_series, bool *ret_new)
{
	uint32_t id;
	int r = series_get(s, key, &id, ret_new);

	if (r < 0)
		return r;
	slots_ref(s, id);
	*ret_series = id;
	return 0;
}

int slots_split(struct slots *s, uint64_t now_ns)
{
	if (s->n == 0)
		return slot_push(s, now_ns, now_ns - now_ns % LIMIT_SLOT_NS + LIMIT_SLOT_NS);
	int r = slots_reach(s, now_ns);
	if (r < 0)
		return r;
	struct slot *last = slot_at(s, s->n - 1);
	uint64_t until = last->until_ns;
	if (now_ns <= last->from_ns)
		return 0;
	r = slot_push(s, now_ns, until);
	if (r >= 0)
		slot_at(s, s->n - 2)->until_ns = now_ns;
	return r;
}

bool slots_drop_oldest(struct slots *s)
{
	if (s->n <= 1)
		return false;
	struct slot slot = *slot_at(s, 0);
	s->first = (s->first + 1) & (s->allocated - 1);
	s->n--;
	s->entry_bytes -= slot_bytes(&slot);
	ARRAY_EACH(&slot.counts, struct slot_count, c)
		slots_unref(s, c->series);
	ARRAY_EACH(&slot.spans, struct slot_span, span)
		slots_unref(s, span->series);
	ARRAY_EACH(&slot.runs, struct slot_run, run)
		slots_unref(s, run->series);
	slot_deinit(&slot);
	return true;
}

void slots_expire(struct slots *s, uint64_t now_ns)
{
	while (s->n > 0 && slot_at(s, 0)->until_ns + s->history_ns < now_ns)
		if (!slots_drop_oldest(s))
			return;
}
