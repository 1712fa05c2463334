/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has which bytes of the store that the programs read. What is in them is of no concern here.
 *
 * Free bytes are a sorted array of extents that never touch each other. Small rooms (lists of
 * mappings, which come and go with processes) are taken from the end, tables from the beginning, so
 * that the one does not cut up the other; among extents the one that fits best. The array has a
 * place for each room that may be given back, so that giving back cannot fail.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"

#define ALIGN_BYTES 64U
#define SMALL_BYTES (16U * KIB)

void store_init(struct store *s, uint8_t *bytes, uint64_t n)
{
	*s = (struct store){
		.bytes = bytes,
		.n = (uint32_t)n,
		.low = STORE_FIRST,
		.high = (uint32_t)n,
	};
}

void store_deinit(struct store *s)
{
	free(s->free);
	*s = (struct store){ 0 };
}

static int places_reserve(struct store *s)
{
	uint32_t need = s->n_rooms + 2, n = s->allocated;
	struct extent *more;

	if (need <= n)
		return 0;
	n = MAX(need, n * 2 + 64);
	more = realloc(s->free, n * sizeof(*more));
	if (!more)
		return -ENOMEM;
	if (!s->free) {
		more[0] = (struct extent){ STORE_FIRST, s->n - STORE_FIRST };
		s->n_free = 1;
	}
	s->free = more;
	s->allocated = n;
	return 0;
}

static struct extent *best_fit(struct store *s, uint32_t n, bool from_end)
{
	struct extent *best = NULL;

	for (uint32_t i = 0; i < s->n_free; i++) {
		struct extent *e = &s->free[i];

		if (e->bytes >= n &&
			(!best || e->bytes < best->bytes || (from_end && e->bytes == best->bytes)))
			best = e;
	}
	return best;
}

int store_take(struct store *s, uint64_t n, struct room **ret)
{
	bool small = n <= SMALL_BYTES;
	_cleanup_free_ struct room *room = NULL;
	struct extent *e;
	int r;

	n = (n + ALIGN_BYTES - 1) & ~(uint64_t)(ALIGN_BYTES - 1);
	if (n == 0 || n > s->n - STORE_FIRST)
		return -EFBIG;
	r = places_reserve(s);
	if (r < 0)
		return r;
	e = best_fit(s, (uint32_t)n, small);
	if (!e)
		return -ENOSPC;
	room = calloc(1, sizeof(*room));
	if (!room)
		return -ENOMEM;
	room->bytes = (uint32_t)n;
	room->offset = small ? e->offset + e->bytes - room->bytes : e->offset;
	e->bytes -= room->bytes;
	if (!small)
		e->offset += room->bytes;
	if (e->bytes == 0) {
		memmove(e, e + 1, (size_t)(s->free + s->n_free - (e + 1)) * sizeof(*e));
		s->n_free--;
	}
	s->n_rooms++;
	s->used += room->bytes;
	if (small)
		s->high = MIN(s->high, room->offset);
	else
		s->low = MAX(s->low, room->offset + room->bytes);
	s->high = MAX(s->high, s->low);
	*ret = TAKE_PTR(room);
	return 0;
}

struct room *store_release(struct store *s, struct room *room)
{
	uint32_t low = 0, high = s->n_free, end;
	struct extent *next, *before;

	if (!room)
		return NULL;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (s->free[middle].offset < room->offset)
			low = middle + 1;
		else
			high = middle;
	}
	next = low < s->n_free ? &s->free[low] : NULL;
	before = low > 0 ? &s->free[low - 1] : NULL;
	end = room->offset + room->bytes;
	if (before && before->offset + before->bytes == room->offset) {
		before->bytes += room->bytes;
		if (next && next->offset == end) {
			before->bytes += next->bytes;
			memmove(next, next + 1, (s->n_free - low - 1) * sizeof(*next));
			s->n_free--;
		}
	} else if (next && next->offset == end) {
		next->offset = room->offset;
		next->bytes += room->bytes;
	} else {
		memmove(&s->free[low + 1], &s->free[low], (s->n_free - low) * sizeof(*next));
		s->free[low] = (struct extent){ room->offset, room->bytes };
		s->n_free++;
	}
	s->used -= room->bytes;
	s->n_rooms--;
	free(room->rules);
	free(room);
	return NULL;
}
