/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Series and slots (slots.h). Owns both; looks into neither processes nor stacks. The slots are a
 * circular array in order of time without gaps in the sequence numbers.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "collect/slots.h"

#define MAX_SERIES   (16U << 20)
#define MAX_SLOTS    (1U << 20)
#define MAX_PER_SLOT (4U << 20)
#define LATE_SLOTS   64 /* how far back a late sample is looked for */

struct slots {
	struct slot *ring; /* owned; allocated is a power of two */
	size_t allocated, first, n;
	uint64_t next_sequence, history_ns;
	struct array series;  /* struct series */
	uint32_t free_series; /* head of the free list through key.process */
	struct table index;
	size_t count_bytes;
	uint64_t seed;
	void (*released)(void *userdata, const struct series_key *key);
	void *userdata;
};

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
	s->seed = hash_seed();
	s->released = released;
	s->userdata = userdata;
	table_init(&s->index, MAX_SERIES, series_hash_of, series_equal, s);
	*ret = s;
	return 0;
}

static struct slot *slot_at(const struct slots *s, size_t i)
{
	return &s->ring[(s->first + i) & (s->allocated - 1)];
}

struct slots *slots_free(struct slots *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		array_deinit(&slot_at(s, i)->counts);
	table_deinit(&s->index);
	array_deinit(&s->series);
	free(s->ring);
	free(s);
	return NULL;
}

size_t slots_bytes(const struct slots *s)
{
	return s->allocated * sizeof(struct slot) + s->count_bytes + array_bytes(&s->series) +
	       table_bytes(&s->index);
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
	if (s->n == s->allocated) {
		int r = ring_grow(s);
		if (r < 0)
			return r;
	}
	*slot_at(s, s->n++) = (struct slot){
		.sequence = s->next_sequence++,
		.from_ns = from_ns,
		.until_ns = until_ns,
		.counts = ARRAY_INIT(struct slot_count, MAX_PER_SLOT),
	};
	return 0;
}

/* The slot of a time, made when it is later than all; NULL: too old, or no memory (*ret_error). */
static struct slot *slot_of(struct slots *s, uint64_t time_ns, int *ret_error)
{
	struct slot *last = s->n > 0 ? slot_at(s, s->n - 1) : NULL;
	if (!last || time_ns >= last->until_ns) {
		uint64_t from = time_ns - time_ns % LIMIT_SLOT_NS;
		uint64_t until = from + LIMIT_SLOT_NS;
		if (last && from < last->until_ns)
			from = last->until_ns;
		int r = slot_push(s, from, until);
		if (r < 0) {
			*ret_error = r;
			return NULL;
		}
		return slot_at(s, s->n - 1);
	}
	for (size_t i = 0; i < LATE_SLOTS && i < s->n; i++) {
		struct slot *slot = slot_at(s, s->n - 1 - i);
		if (time_ns >= slot->from_ns)
			return slot;
	}
	/* The very first slot takes what came a little before it. */
	if (s->n <= LATE_SLOTS && s->n > 0 && s->next_sequence == s->n + 1)
		return slot_at(s, 0);
	*ret_error = -ESTALE;
	return NULL;
}

static int series_get(struct slots *s, const struct series_key *key, uint32_t *ret, bool *ret_new)
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
			e = array_push(&s->series);
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

int slots_count(struct slots *s, const struct series_key *key, uint64_t time_ns, bool *ret_new)
{
	int r = 0;
	uint32_t id;
	bool is_new;

	struct slot *slot = slot_of(s, time_ns, &r);
	if (!slot)
		return r;
	r = series_get(s, key, &id, &is_new);
	if (r < 0)
		return r;
	struct series *e = ARRAY_AT(&s->series, struct series, id);
	if (e->last_slot == slot->sequence) {
		ARRAY_AT(&slot->counts, struct slot_count, e->last_position)->count++;
		*ret_new = is_new;
		return 0;
	}
	size_t before = array_bytes(&slot->counts);
	struct slot_count *c = array_push(&slot->counts);
	if (!c) {
		if (is_new) {
			/* Undone without released(): the references stay the caller's. */
			table_remove(&s->index, series_hash_of(s, id), id);
			*e = (struct series){ .key.process = s->free_series };
			s->free_series = id;
		}
		return -ENOSPC;
	}
	s->count_bytes += array_bytes(&slot->counts) - before;
	*c = (struct slot_count){ .series = id, .count = 1 };
	e->last_slot = slot->sequence;
	e->last_position = (uint32_t)(slot->counts.n - 1);
	e->n_refs++;
	*ret_new = is_new;
	return 0;
}

int slots_split(struct slots *s, uint64_t now_ns)
{
	struct slot *last = s->n > 0 ? slot_at(s, s->n - 1) : NULL;
	uint64_t until = now_ns - now_ns % LIMIT_SLOT_NS + LIMIT_SLOT_NS;
	if (last && now_ns <= last->from_ns)
		return 0;
	if (last && now_ns < last->until_ns) {
		until = last->until_ns;
		last->until_ns = now_ns;
	}
	return slot_push(s, now_ns, until);
}

bool slots_drop_oldest(struct slots *s)
{
	if (s->n <= 1)
		return false;
	struct slot slot = *slot_at(s, 0);
	s->first = (s->first + 1) & (s->allocated - 1);
	s->n--;
	s->count_bytes -= array_bytes(&slot.counts);
	ARRAY_EACH(&slot.counts, struct slot_count, c)
		slots_unref(s, c->series);
	array_deinit(&slot.counts);
	return true;
}

void slots_expire(struct slots *s, uint64_t now_ns)
{
	while (s->n > 0 && slot_at(s, 0)->until_ns + s->history_ns < now_ns)
		if (!slots_drop_oldest(s))
			return;
}
