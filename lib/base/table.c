/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the memory of arrays, hash indexes and interned strings; the entries of an index live with
 * its caller. Keys are hostile (names and addresses of targets), so hashes are seeded and every
 * container has its maximum. Invariant of a table: between the home slot of an entry and the entry
 * itself no slot is free; deletion keeps it by moving later entries back, so there are no
 * tombstones.
 */
#include "base/table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"

void array_deinit(struct array *a)
{
	free(a->data);
	a->data = NULL;
	a->n = a->allocated = 0;
}

static int array_reserve(struct array *a, size_t n)
{
	size_t wanted, bytes;
	void *data;

	if (n > a->max)
		return -E2BIG;
	if (n <= a->allocated)
		return 0;
	wanted = a->allocated > a->max / 2 ? a->max : 2 * a->allocated;
	wanted = MAX(wanted, MAX(n, MIN(a->max, (size_t)8)));
	if (__builtin_mul_overflow(wanted, a->size, &bytes))
		return -ENOMEM;
	data = realloc(a->data, bytes);
	if (!data)
		return -ENOMEM;
	a->data = data;
	a->allocated = wanted;
	return 0;
}

void *array_push(struct array *a)
{
	void *p;

	if (a->n >= a->max || array_reserve(a, a->n + 1) < 0)
		return NULL;
	p = (char *)a->data + a->n++ * a->size;
	memset(p, 0, a->size);
	return p;
}

int array_resize(struct array *a, size_t n)
{
	int r = array_reserve(a, n);

	if (r < 0)
		return r;
	if (n > a->n)
		memset((char *)a->data + a->n * a->size, 0, (n - a->n) * a->size);
	a->n = n;
	return 0;
}

size_t array_bytes(const struct array *a)
{
	return a->allocated * a->size;
}

void table_init(struct table *t, uint32_t max, uint64_t (*hash_of)(const void *ctx, uint32_t id),
	table_equal_fn equal, const void *ctx)
{
	*t = (struct table){
		.max = max,
		.hash_of = hash_of,
		.equal = equal,
		.ctx = ctx,
	};
}

void table_deinit(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->mask = t->n = 0;
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

uint32_t table_find(const struct table *t, uint64_t hash, const void *key)
{
	if (!t->slots)
		return TABLE_NONE;
	for (uint32_t i = (uint32_t)hash & t->mask;; i = (i + 1) & t->mask) {
		const struct table_slot *slot = &t->slots[i];

		if (slot->id == TABLE_NONE)
			return TABLE_NONE;
		if (slot->tag == tag_of(hash) && t->equal(t->ctx, slot->id, key))
			return slot->id;
	}
}

static void place(struct table_slot *slots, uint32_t mask, uint64_t hash, uint32_t id)
{
	uint32_t i = (uint32_t)hash & mask;

	while (slots[i].id != TABLE_NONE)
		i = (i + 1) & mask;
	slots[i] = (struct table_slot){ .tag = tag_of(hash), .id = id };
}

static int grow(struct table *t)
{
	size_t capacity = t->slots ? 2 * ((size_t)t->mask + 1) : 16;
	struct table_slot *slots;
	uint32_t mask = (uint32_t)(capacity - 1);

	if (capacity > (size_t)UINT32_MAX + 1)
		return -E2BIG;
	slots = reallocarray(NULL, capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, capacity * sizeof(*slots));
	for (size_t i = 0; t->slots && i <= t->mask; i++) {
		uint32_t id = t->slots[i].id;

		if (id != TABLE_NONE)
			place(slots, mask, t->hash_of(t->ctx, id), id);
	}
	free(t->slots);
	t->slots = slots;
	t->mask = mask;
	return 0;
}

int table_add(struct table *t, uint64_t hash, uint32_t id)
{
	if (t->n >= t->max)
		return -E2BIG;
	if (!t->slots || ((uint64_t)t->n + 1) * 10 > ((uint64_t)t->mask + 1) * 7) {
		int r = grow(t);

		if (r < 0)
			return r;
	}
	place(t->slots, t->mask, hash, id);
	t->n++;
	return 0;
}

void table_remove(struct table *t, uint64_t hash, uint32_t id)
{
	uint32_t hole, i;

	if (!t->slots || id == TABLE_NONE)
		return;
	hole = (uint32_t)hash & t->mask;
	while (t->slots[hole].id != id) {
		if (t->slots[hole].id == TABLE_NONE)
			return;
		hole = (hole + 1) & t->mask;
	}
	/* An entry may move back into the hole unless its home lies behind the hole: then the way
	 * from home to entry does not pass the hole. */
	for (i = (hole + 1) & t->mask; t->slots[i].id != TABLE_NONE; i = (i + 1) & t->mask) {
		uint32_t home = (uint32_t)t->hash_of(t->ctx, t->slots[i].id) & t->mask;

		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->slots[hole] = t->slots[i];
			hole = i;
		}
	}
	t->slots[hole] = (struct table_slot){ .tag = UINT32_MAX, .id = TABLE_NONE };
	t->n--;
}

size_t table_bytes(const struct table *t)
{
	return t->slots ? ((size_t)t->mask + 1) * sizeof(*t->slots) : 0;
}

uint64_t hash_seed(void)
{
	static _Atomic uint64_t seed;
	uint64_t v = atomic_load(&seed), expected = 0;

	if (v)
		return v;
	/* Without entropy the address of the stack and the time are still more than nothing. */
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		v = hash_u64(clock_monotonic_ns(), (uint64_t)(uintptr_t)&v);
	v |= 1;
	return atomic_compare_exchange_strong(&seed, &expected, v) ? v : expected;
}

/* 64x64 -> 128 bit product, folded: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

#define HASH_A 0x2d358dccaa6c78a5ULL
#define HASH_B 0x8bb84b93962eacc9ULL

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *at = p;
	uint64_t state = mix(seed ^ HASH_A, (uint64_t)n ^ HASH_B);

	for (; n > 16; at += 16, n -= 16)
		state = mix(load(at, 8) ^ state, load(at + 8, 8) ^ HASH_A ^ seed);
	if (n > 8)
		state = mix(load(at, 8) ^ state, load(at + 8, n - 8) ^ HASH_A ^ seed);
	else if (n > 0)
		state = mix(load(at, n) ^ state, HASH_A ^ seed);
	return mix(state ^ HASH_B, state ^ seed);
}

struct span {
	size_t offset, n;
};

struct piece {
	const char *text;
	size_t n;
};

static uint64_t string_hash_of(const void *ctx, uint32_t id)
{
	const struct strings *s = ctx;
	const struct span *span = ARRAY_AT(&s->spans, struct span, id);

	return hash_bytes(s->text + span->offset, span->n, hash_seed());
}

static bool string_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct strings *s = ctx;
	const struct span *span = ARRAY_AT(&s->spans, struct span, id);
	const struct piece *piece = key;

	return span->n == piece->n &&
	       (span->n == 0 || memcmp(s->text + span->offset, piece->text, span->n) == 0);
}

int strings_init(struct strings *s, uint32_t max_n, size_t max_bytes)
{
	uint32_t id;
	int r;

	*s = (struct strings){
		.spans = ARRAY_INIT(struct span, MAX(max_n, 1U)),
		.text_max = MAX(max_bytes, (size_t)1),
	};
	table_init(&s->index, MAX(max_n, 1U), string_hash_of, string_equal, s);
	r = strings_intern(s, "", 0, &id);
	if (r < 0)
		strings_deinit(s);
	return r;
}

void strings_deinit(struct strings *s)
{
	table_deinit(&s->index);
	array_deinit(&s->spans);
	free(s->text);
	s->text = NULL;
	s->text_n = s->text_allocated = 0;
}

/* Room for n bytes of text and a NUL. */
static int text_reserve(struct strings *s, size_t n)
{
	size_t wanted;
	char *text;

	if (n >= s->text_max - s->text_n)
		return -E2BIG;
	if (n < s->text_allocated - s->text_n)
		return 0;
	wanted = s->text_allocated > s->text_max / 2 ? s->text_max : 2 * s->text_allocated;
	wanted = MAX(wanted, MAX(s->text_n + n + 1, MIN(s->text_max, (size_t)256)));
	text = realloc(s->text, wanted);
	if (!text)
		return -ENOMEM;
	s->text = text;
	s->text_allocated = wanted;
	return 0;
}

int strings_intern(struct strings *s, const char *text, size_t n, uint32_t *ret_id)
{
	struct piece piece = { .text = text, .n = n };
	uint64_t hash = hash_bytes(text, n, hash_seed());
	uint32_t id = table_find(&s->index, hash, &piece);
	uintptr_t inside = (uintptr_t)text - (uintptr_t)s->text;
	struct span *span;
	int r;

	if (id != TABLE_NONE) {
		*ret_id = id;
		return 0;
	}
	if (s->spans.n >= s->spans.max)
		return -E2BIG;
	r = text_reserve(s, n);
	if (r < 0)
		return r;
	/* A piece of a string that was got from here has moved with the text. */
	if (inside < s->text_n)
		text = s->text + inside;
	id = (uint32_t)s->spans.n;
	span = array_push(&s->spans);
	if (!span)
		return -ENOMEM;
	*span = (struct span){ .offset = s->text_n, .n = n };
	r = table_add(&s->index, hash, id);
	if (r < 0) {
		s->spans.n--;
		return r;
	}
	if (n > 0)
		memcpy(s->text + s->text_n, text, n);
	s->text[s->text_n + n] = '\0';
	s->text_n += n + 1;
	*ret_id = id;
	return 0;
}

const char *strings_get(const struct strings *s, uint32_t id, size_t *ret_n)
{
	const struct span *span;

	if (id >= s->spans.n) {
		if (ret_n)
			*ret_n = 0;
		return "";
	}
	span = ARRAY_AT(&s->spans, struct span, id);
	if (ret_n)
		*ret_n = span->n;
	return s->text + span->offset;
}

size_t strings_bytes(const struct strings *s)
{
	return array_bytes(&s->spans) + s->text_allocated + table_bytes(&s->index);
}
