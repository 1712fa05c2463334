/* SPDX-License-Identifier: Apache-2.0 */
/* What slots.c and slots_span.c share. */
#ifndef PROFD_COLLECT_SLOTS_INTERNAL_H
#define PROFD_COLLECT_SLOTS_INTERNAL_H

#include "collect/slots.h"

struct slots {
	struct slot *ring; /* owned; allocated is a power of two */
	size_t allocated, first, n;
	uint64_t next_sequence, history_ns;
	struct array series;  /* struct series */
	uint32_t free_series; /* head of the free list through key.process */
	struct table index;
	size_t entry_bytes; /* what the arrays of all slots hold */
	size_t max_bytes;
	uint64_t seed;
	void (*released)(void *userdata, const struct series_key *key);
	void *userdata;
};

struct slot *slot_at(const struct slots *s, size_t i);
/* Makes the slots up to the one of a time. 0, -ENOMEM, -ENOSPC. */
int slots_reach(struct slots *s, uint64_t time_ns);
/* A new element of an array of a slot; NULL: past the limit. */
void *slots_push(struct slots *s, struct array *entries);
/* The series of a key, made where there is none; then it has no reference. 0, -ENOMEM, -ENOSPC. */
int series_get(struct slots *s, const struct series_key *key, uint32_t *ret, bool *ret_new);
/* Frees a series that was just made, without released(): the references stay the caller's. */
void series_undo(struct slots *s, uint32_t series);

#endif
