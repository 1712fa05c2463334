/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks as they are read: equal ones once, and of each only what differs from the one before. Ten
 * million stacks of forty frames are 1.6 GB side by side, and less than a fifth of it so.
 *
 *   bytes:  shared new length... slot...   shared new ...
 *
 * shared and new are a byte, or 0xff and four bytes. A length is two bits, how many bytes a slot
 * has besides its first, low bits first; four are in a byte. This way the next slot's place does
 * not depend on what this one holds, as it would with varints, and a processor reads several at a
 * time. Numbers are of this machine's byte order.
 *
 * Slots are leaf first; the last `shared` frames (the root's side) are those of the stack before.
 * Every 32nd stack shares nothing, so that any can be found by way of at most 31 others.
 */
#ifndef PROFD_PROFILE_PACKED_H
#define PROFD_PROFILE_PACKED_H

#include <stdint.h>
#include "base/table.h"

struct packed;

int packed_new(struct packed **ret);
struct packed *packed_free(struct packed *k);
/* Appends the number of the stack of these slots, leaf first, to `ids` (uint32_t); the empty one is
 * 0. It may come late, at the latest by packed_flush(). Stacks are known by 96 bits of seeded hash.
 * 0, -ENOMEM, -E2BIG. */
int packed_add(struct packed *k, const uint32_t *slots, uint32_t n, struct array *ids);
int packed_flush(struct packed *k, struct array *ids);
/* No more will come; from now on there are locations in place of slots. Takes the map's memory. 0,
 * -ENOMEM. */
int packed_finish(struct packed *k, struct array *location_of_slot);
/* The empty one counts. */
uint32_t packed_n(const struct packed *k);
/* Frames of all of them. */
uint64_t packed_frames(const struct packed *k);
uint64_t packed_bytes(const struct packed *k);
/* After packed_finish(): locations, leaf first. Borrowed until the next call. One after the other
 * is what it is quick at. */
const uint32_t *packed_stack(struct packed *k, uint32_t stack, uint32_t *ret_n);

/* A place of one's own to read from: readers do not touch the packed stacks, which must stay. */
struct packed_reader {
	const struct packed *packed;
	uint32_t *window; /* owned; room for the deepest, frames at the end */
	uint32_t read, read_n;
	uint32_t kept; /* frames on the root's side that the last caller has seen */
	size_t next;   /* byte */
};

/* 0, -ENOMEM. */
int packed_reader_init(struct packed_reader *r, const struct packed *k);
void packed_reader_deinit(struct packed_reader *r);
/* As packed_stack(). *ret_shared: so many frames, on the root's side, are those of the stack of the
 * call before. */
const uint32_t *packed_reader_stack(
	struct packed_reader *r, uint32_t stack, uint32_t *ret_n, uint32_t *ret_shared);

#endif
