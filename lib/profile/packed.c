/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the packed form of stacks. Slots come from a decoder, which has made them; nothing else in
 * here is the file's.
 *
 * Invariants: `known` has the numbers of all stacks until it is finished; a reader's window holds
 * stack `read`, its frames at the window's end, and `next` is the byte behind it.
 */
#include "profile/packed.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "profile/extend.h"
#include "profile/fingerprint.h"

#define BLOCK	  32U
#define ESCAPE	  UINT8_MAX
#define MAX_COUNT 5U /* bytes of `shared` or `new` */
/* Slots are written and read four bytes at a time, however many of them are the next one's. */
#define SPARE 4U

#define MAX_STACKS (UINT32_MAX - 1)

#define MAX_WAITING	  16U
#define MAX_WAITING_SLOTS 65536U

struct waiting {
	struct fingerprint fingerprint;
	size_t first; /* of `slots` */
	uint32_t n;
};

struct packed {
	struct array bytes;	   /* uint8_t */
	struct array blocks;	   /* uint64_t: the byte where stack BLOCK * i + 1 begins */
	struct fingerprints known; /* numbers of stacks */
	struct array last;	   /* uint32_t slots of the stack that came last */
	struct array locations;	   /* uint32_t by slot */
	/* Stacks wait a moment while their place in the index is fetched from memory. */
	struct waiting waiting[MAX_WAITING];
	uint32_t n_waiting;
	struct array slots; /* uint32_t, of those that wait */
	uint32_t n;	    /* without the empty one */
	uint32_t most;	    /* frames of the deepest */
	uint64_t frames;
	struct packed_reader reader;
};

int packed_new(struct packed **ret)
{
	struct packed *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->bytes = (struct array)ARRAY_INIT(uint8_t, LIMIT_PROFILE_BYTES);
	k->blocks = (struct array)ARRAY_INIT(uint64_t, UINT32_MAX / BLOCK + 1);
	k->slots = (struct array)ARRAY_INIT(uint32_t, UINT32_MAX);
	k->last = (struct array)ARRAY_INIT(uint32_t, UINT32_MAX);
	*ret = k;
	return 0;
}

struct packed *packed_free(struct packed *k)
{
	if (!k)
		return NULL;
	packed_reader_deinit(&k->reader);
	array_deinit(&k->locations);
	array_deinit(&k->last);
	array_deinit(&k->slots);
	fingerprints_deinit(&k->known);
	array_deinit(&k->blocks);
	array_deinit(&k->bytes);
	free(k);
	return NULL;
}

/* Frames at the end that are those of the stack that came last. */
static uint32_t shared_with_last(const struct packed *k, const uint32_t *slots, uint32_t n)
{
	const uint32_t *last = k->last.data;
	size_t at = k->last.n, shared = 0, most = MIN((size_t)n, at);

	while (most - shared >= 2 &&
		!memcmp(last + at - shared - 2, slots + n - shared - 2, 2 * sizeof(*slots)))
		shared += 2;
	while (shared < most && last[at - 1 - shared] == slots[n - 1 - shared])
		shared++;
	return (uint32_t)shared;
}

static uint8_t *put_count(uint8_t *to, uint32_t v)
{
	*to++ = (uint8_t)MIN(v, ESCAPE);
	if (v >= ESCAPE) {
		memcpy(to, &v, sizeof(v));
		to += sizeof(v);
	}
	return to;
}

static uint8_t *put_slots(uint8_t *to, const uint32_t *slots, uint32_t n)
{
	uint8_t *lengths = to;
	uint32_t four = 0;

	to += (n + 3) / 4;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t more = (slots[i] > 0xff) + (slots[i] > 0xffff) + (slots[i] > 0xffffff);
		four |= more << 2 * (i % 4);
		lengths[i / 4] = (uint8_t)four;
		four = i % 4 == 3 ? 0 : four;
		memcpy(to, &slots[i], sizeof(*slots));
		to += more + 1;
	}
	return to;
}

static int append(struct packed *k, const uint32_t *slots, uint32_t n, uint32_t shared)
{
	uint64_t begin = k->bytes.n;
	void *to, *last;
	int r;

	if (k->n % BLOCK == 0) {
		uint64_t *block = array_push(&k->blocks);
		if (!block)
			return -ENOMEM;
		*block = begin;
		shared = 0;
	}
	k->last.n = 0;
	r = array_extend(&k->last, n, &last);
	if (r >= 0)
		r = array_extend(&k->bytes,
			2 * MAX_COUNT + (sizeof(*slots) + 1) * ((size_t)n - shared) + SPARE, &to);
	if (r < 0)
		return r;
	uint8_t *end = put_count(put_count(to, shared), n - shared);
	end = put_slots(end, slots, n - shared);
	k->bytes.n = (size_t)(end - (uint8_t *)k->bytes.data);
	memcpy(last, slots, n * sizeof(*slots));
	k->n++;
	k->most = MAX(k->most, n);
	k->frames += n;
	return 0;
}

static int intern(struct packed *k, const struct waiting *w, uint32_t *ret)
{
	const uint32_t *slots = w->n ? ARRAY_AT(&k->slots, uint32_t, w->first) : NULL;
	uint32_t number, shared = w->n ? shared_with_last(k, slots, w->n) : 0;

	if (!w->n || (shared == w->n && shared == k->last.n)) {
		*ret = w->n ? k->n : 0;
		return 0;
	}
	number = fingerprints_find(&k->known, &w->fingerprint);
	if (!number) {
		number = k->n + 1;
		if (number >= MAX_STACKS)
			return -E2BIG;
		int r = append(k, slots, w->n, shared);
		if (r >= 0)
			r = fingerprints_add(&k->known, &w->fingerprint, number);
		if (r < 0)
			return r;
	}
	*ret = number;
	return 0;
}

int packed_flush(struct packed *k, struct array *ids)
{
	void *to;
	int r = array_extend(ids, k->n_waiting, &to);

	for (uint32_t i = 0; i < k->n_waiting && r >= 0; i++)
		r = intern(k, &k->waiting[i], (uint32_t *)to + i);
	k->n_waiting = 0;
	k->slots.n = 0;
	return r;
}

int packed_add(struct packed *k, const uint32_t *slots, uint32_t n, struct array *ids)
{
	struct waiting *w = &k->waiting[k->n_waiting];
	size_t first = k->slots.n;
	void *copy;
	int r = array_extend(&k->slots, n, &copy);

	if (r < 0)
		return r;
	*w = (struct waiting){ .first = first, .n = n };
	if (n) {
		memcpy(copy, slots, n * sizeof(*slots));
		w->fingerprint = fingerprint_of(slots, n);
		fingerprints_prefetch(&k->known, &w->fingerprint);
	}
	k->n_waiting++;
	/* What is large waits for nobody. */
	return k->n_waiting == MAX_WAITING || k->slots.n > MAX_WAITING_SLOTS ? packed_flush(k, ids)
									     : 0;
}

int packed_finish(struct packed *k, struct array *location_of_slot)
{
	int r = packed_reader_init(&k->reader, k);

	if (r < 0)
		return r;
	fingerprints_deinit(&k->known);
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
	return array_bytes(&k->bytes) + array_bytes(&k->blocks) + fingerprints_bytes(&k->known) +
	       array_bytes(&k->last) + array_bytes(&k->slots) + array_bytes(&k->locations);
}

static const uint8_t *take_count(const uint8_t *at, uint32_t *ret)
{
	*ret = *at++;
	if (*ret == ESCAPE) {
		memcpy(ret, at, sizeof(*ret));
		at += sizeof(*ret);
	}
	return at;
}

static inline const uint8_t *take_slot(
	const uint8_t *at, const uint8_t *lengths, uint32_t i, uint32_t *ret)
{
	static const uint32_t masks[] = { 0xff, 0xffff, 0xffffff, 0xffffffff };
	unsigned more = lengths[i / 4] >> 2 * (i % 4) & 3;

	memcpy(ret, at, sizeof(*ret));
	*ret &= masks[more];
	return at + more + 1;
}

/* The stack behind the one in the window. */
static void advance(struct packed_reader *r)
{
	const struct packed *k = r->packed;
	const uint8_t *lengths = ARRAY_AT(&k->bytes, uint8_t, r->next);
	const uint32_t *locations = k->locations.data;
	uint32_t shared, new, slot, same = 0;

	lengths = take_count(lengths, &shared);
	lengths = take_count(lengths, &new);
	const uint8_t *at = lengths + (new + 3) / 4;
	uint32_t *to = r->window + k->most - shared - new;
	if (r->read % BLOCK == 0) {
		/* It may share frames after all. */
		for (uint32_t i = 0; i < new; i++) {
			at = take_slot(at, lengths, i, &slot);
			same = to[i] == locations[slot] ? same + 1 : 0;
			to[i] = locations[slot];
		}
		shared = MIN(same, r->read_n);
		new -= shared;
	} else {
		for (uint32_t i = 0; i < new; i++) {
			at = take_slot(at, lengths, i, &slot);
			to[i] = locations[slot];
		}
	}
	r->read++;
	r->read_n = shared + new;
	r->kept = MIN(r->kept, shared);
	r->next = (size_t)(at - (const uint8_t *)k->bytes.data);
}

int packed_reader_init(struct packed_reader *r, const struct packed *k)
{
	uint32_t *window = calloc((size_t)k->most + 1, sizeof(*window));

	if (!window)
		return -ENOMEM;
	*r = (struct packed_reader){ .packed = k, .window = window };
	return 0;
}

void packed_reader_deinit(struct packed_reader *r)
{
	free(r->window);
	r->window = NULL;
}

const uint32_t *packed_reader_stack(
	struct packed_reader *r, uint32_t stack, uint32_t *ret_n, uint32_t *ret_shared)
{
	const struct packed *k = r->packed;

	if (!stack) {
		*ret_n = *ret_shared = r->kept = 0;
		return NULL;
	}
	uint32_t block = (stack - 1) / BLOCK;
	/* Backwards, or into another block: from where that begins. */
	if (stack < r->read || (stack > r->read && block != r->read / BLOCK)) {
		r->read = block * BLOCK;
		r->read_n = r->kept = 0;
		r->next = *ARRAY_AT(&k->blocks, uint64_t, block);
	}
	while (r->read < stack)
		advance(r);
	*ret_n = r->read_n;
	*ret_shared = r->kept;
	r->kept = r->read_n;
	return r->window + k->most - r->read_n;
}

const uint32_t *packed_stack(struct packed *k, uint32_t stack, uint32_t *ret_n)
{
	uint32_t shared;

	return packed_reader_stack(&k->reader, stack, ret_n, &shared);
}
