/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the packed form of stacks. Slots come from a decoder, which has made them; nothing else in
 * here is the file's.
 *
 * Invariants: fingerprints[i] is of stack i + 1, and gone once it is finished; the window holds
 * stack `read`, its frames at the window's end, and `next` is the unit behind it.
 */
#include "profile/packed.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"

#define BLOCK	  32U
#define ESCAPE	  UINT16_MAX
#define MAX_UNITS 3U /* of one number */

#define MAX_WAITING	  16U
#define MAX_WAITING_SLOTS 65536U

struct fingerprint {
	uint32_t parts[3];
};

struct waiting {
	struct fingerprint fingerprint;
	size_t first; /* of `slots` */
	uint32_t n;
};

struct packed {
	struct array units;	   /* uint16_t */
	struct array blocks;	   /* uint64_t: the unit where stack BLOCK * i + 1 begins */
	struct array fingerprints; /* struct fingerprint */
	struct table index;	   /* of the fingerprints */
	struct array last;	   /* uint32_t slots of the stack that came last */
	struct array locations;	   /* uint32_t by slot */
	/* Stacks wait a moment while their place in the index is fetched from memory. */
	struct waiting waiting[MAX_WAITING];
	uint32_t n_waiting;
	struct array slots; /* uint32_t, of those that wait */
	uint32_t n;	    /* without the empty one */
	uint32_t most;	    /* frames of the deepest */
	uint64_t frames;
	uint32_t *window; /* owned; `most` locations */
	uint32_t read, read_n;
	size_t next;
};

static uint64_t hash_of(const struct fingerprint *f)
{
	return (uint64_t)f->parts[1] << 32 | f->parts[0];
}

static uint64_t hash_of_stack(const void *ctx, uint32_t i)
{
	const struct packed *k = ctx;

	return hash_of(ARRAY_AT(&k->fingerprints, struct fingerprint, i));
}

static bool fingerprint_equal(const void *ctx, uint32_t i, const void *key)
{
	const struct packed *k = ctx;

	return !memcmp(
		ARRAY_AT(&k->fingerprints, struct fingerprint, i), key, sizeof(struct fingerprint));
}

int packed_new(struct packed **ret)
{
	struct packed *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->units = (struct array)ARRAY_INIT(uint16_t, LIMIT_PROFILE_BYTES / sizeof(uint16_t));
	k->blocks = (struct array)ARRAY_INIT(uint64_t, UINT32_MAX / BLOCK + 1);
	k->fingerprints = (struct array)ARRAY_INIT(struct fingerprint, UINT32_MAX - 2);
	k->slots = (struct array)ARRAY_INIT(uint32_t, UINT32_MAX);
	k->last = (struct array)ARRAY_INIT(uint32_t, UINT32_MAX);
	table_init(&k->index, UINT32_MAX - 2, hash_of_stack, fingerprint_equal, k);
	*ret = k;
	return 0;
}

struct packed *packed_free(struct packed *k)
{
	if (!k)
		return NULL;
	free(k->window);
	array_deinit(&k->locations);
	array_deinit(&k->last);
	array_deinit(&k->slots);
	table_deinit(&k->index);
	array_deinit(&k->fingerprints);
	array_deinit(&k->blocks);
	array_deinit(&k->units);
	free(k);
	return NULL;
}

static struct fingerprint fingerprint_of(const uint32_t *slots, uint32_t n)
{
	uint64_t a = hash_bytes(slots, (size_t)n * sizeof(*slots), hash_seed());
	uint64_t b = hash_bytes(slots, (size_t)n * sizeof(*slots), ~hash_seed());

	return (struct fingerprint){ { (uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b } };
}

/* Frames at the end that are those of the stack that came last. */
static uint32_t shared_with_last(const struct packed *k, const uint32_t *slots, uint32_t n)
{
	const uint32_t *last = k->last.data;
	size_t at = k->last.n, shared = 0;

	while (shared < MIN((size_t)n, at) && last[at - 1 - shared] == slots[n - 1 - shared])
		shared++;
	return (uint32_t)shared;
}

static uint16_t *put(uint16_t *to, uint32_t v)
{
	if (v < ESCAPE) {
		*to++ = (uint16_t)v;
		return to;
	}
	*to++ = ESCAPE;
	*to++ = (uint16_t)v;
	*to++ = (uint16_t)(v >> 16);
	return to;
}

static int append(struct packed *k, const uint32_t *slots, uint32_t n, uint32_t shared)
{
	size_t begin = k->units.n;
	int r;

	if (k->n % BLOCK == 0) {
		uint64_t *block = array_push(&k->blocks);
		if (!block)
			return -ENOMEM;
		*block = begin;
		shared = 0;
	}
	r = array_resize(&k->units, begin + MAX_UNITS * ((size_t)n - shared + 2));
	if (r < 0)
		return r;
	uint16_t *to = ARRAY_AT(&k->units, uint16_t, begin);
	to = put(to, shared);
	to = put(to, n - shared);
	for (uint32_t i = 0; i < n - shared; i++)
		to = put(to, slots[i]);
	k->units.n = (size_t)(to - (uint16_t *)k->units.data);
	r = array_resize(&k->last, n);
	if (r < 0)
		return r;
	memcpy(k->last.data, slots, n * sizeof(*slots));
	k->n++;
	k->most = MAX(k->most, n);
	k->frames += n;
	return 0;
}

static int intern(struct packed *k, const struct waiting *w, uint32_t *ret)
{
	const uint32_t *slots = w->n ? ARRAY_AT(&k->slots, uint32_t, w->first) : NULL;
	uint32_t id, shared = w->n ? shared_with_last(k, slots, w->n) : 0;

	if (!w->n || (shared == w->n && shared == k->last.n)) {
		*ret = w->n ? k->n : 0;
		return 0;
	}
	id = table_find(&k->index, hash_of(&w->fingerprint), &w->fingerprint);
	if (id == TABLE_NONE) {
		id = k->n;
		if (id >= k->fingerprints.max)
			return -E2BIG;
		struct fingerprint *new = array_push(&k->fingerprints);
		if (!new)
			return -ENOMEM;
		*new = w->fingerprint;
		int r = append(k, slots, w->n, shared);
		if (r >= 0)
			r = table_add(&k->index, hash_of(&w->fingerprint), id);
		if (r < 0)
			return r;
	}
	*ret = id + 1;
	return 0;
}

/* By now its place in the index has come; what is there, which may be the same, may still be far.
 */
static void fetch_fingerprint(const struct packed *k, const struct waiting *w)
{
	if (!k->index.slots)
		return;
	uint32_t id = k->index.slots[(uint32_t)hash_of(&w->fingerprint) & k->index.mask].id;
	if (id != TABLE_NONE)
		__builtin_prefetch(ARRAY_AT(&k->fingerprints, struct fingerprint, id));
}

int packed_flush(struct packed *k, struct array *ids)
{
	for (uint32_t i = 0; i < k->n_waiting; i++)
		fetch_fingerprint(k, &k->waiting[i]);
	for (uint32_t i = 0; i < k->n_waiting; i++) {
		uint32_t *id = array_push(ids);
		int r = id ? intern(k, &k->waiting[i], id) : -ENOMEM;
		if (r < 0)
			return r;
	}
	k->n_waiting = 0;
	k->slots.n = 0;
	return 0;
}

int packed_add(struct packed *k, const uint32_t *slots, uint32_t n, struct array *ids)
{
	struct waiting *w = &k->waiting[k->n_waiting];
	size_t first = k->slots.n;
	int r = array_resize(&k->slots, first + n);

	if (r < 0)
		return r;
	*w = (struct waiting){ .first = first, .n = n };
	if (n) {
		memcpy(ARRAY_AT(&k->slots, uint32_t, first), slots, n * sizeof(*slots));
		w->fingerprint = fingerprint_of(slots, n);
		if (k->index.slots)
			__builtin_prefetch(&k->index.slots[(uint32_t)hash_of(&w->fingerprint) &
							   k->index.mask]);
	}
	k->n_waiting++;
	/* What is large waits for nobody. */
	return k->n_waiting == MAX_WAITING || k->slots.n > MAX_WAITING_SLOTS ? packed_flush(k, ids)
									     : 0;
}

int packed_finish(struct packed *k, struct array *location_of_slot)
{
	k->window = calloc((size_t)k->most + 1, sizeof(*k->window));
	if (!k->window)
		return -ENOMEM;
	table_deinit(&k->index);
	array_deinit(&k->fingerprints);
	array_deinit(&k->last);
	array_deinit(&k->slots);
	k->locations = *location_of_slot;
	location_of_slot->data = NULL;
	location_of_slot->n = location_of_slot->allocated = 0;
	return 0;
}

uint32_t packed_n(const struct packed *k)
{
	return k->n + 1;
}

uint64_t packed_frames(const struct packed *k)
{
	return k->frames;
}

uint64_t packed_bytes(const struct packed *k)
{
	return array_bytes(&k->units) + array_bytes(&k->blocks) + array_bytes(&k->fingerprints) +
	       table_bytes(&k->index) + array_bytes(&k->last) + array_bytes(&k->slots) +
	       array_bytes(&k->locations);
}

static const uint16_t *take(const uint16_t *at, uint32_t *ret)
{
	*ret = *at++;
	if (*ret == ESCAPE) {
		*ret = (uint32_t)at[1] << 16 | at[0];
		at += 2;
	}
	return at;
}

/* The stack behind the one in the window. */
static void advance(struct packed *k)
{
	const uint16_t *at = ARRAY_AT(&k->units, uint16_t, k->next);
	const uint32_t *locations = k->locations.data;
	uint32_t shared, new, slot;

	at = take(at, &shared);
	at = take(at, &new);
	uint32_t *to = k->window + k->most - shared - new;
	for (uint32_t i = 0; i < new; i++) {
		at = take(at, &slot);
		to[i] = locations[slot];
	}
	k->read++;
	k->read_n = shared + new;
	k->next = (size_t)(at - (const uint16_t *)k->units.data);
}

const uint32_t *packed_stack(struct packed *k, uint32_t stack, uint32_t *ret_n)
{
	if (!stack) {
		*ret_n = 0;
		return NULL;
	}
	uint32_t block = (stack - 1) / BLOCK;
	/* Backwards, or into another block: from where that begins. */
	if (stack < k->read || (stack > k->read && block != k->read / BLOCK)) {
		k->read = block * BLOCK;
		k->next = *ARRAY_AT(&k->blocks, uint64_t, block);
	}
	while (k->read < stack)
		advance(k);
	*ret_n = k->read_n;
	return k->window + k->most - k->read_n;
}
