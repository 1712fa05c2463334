/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which stacks are known, by 96 bits of seeded hash: an open-addressing table that holds the
 * fingerprints themselves, so that a look is one cache line, and a larger one is filled from it in
 * order. Linear probing, load at most 7/10, nothing is deleted.
 */
#ifndef PROFD_PROFILE_FINGERPRINT_H
#define PROFD_PROFILE_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

struct fingerprint {
	uint32_t parts[3];
};

struct fingerprint_slot {
	struct fingerprint fingerprint;
	uint32_t number; /* 0: free */
};

struct fingerprints {
	struct fingerprint_slot *slots; /* owned */
	size_t capacity, n;
};

struct fingerprint fingerprint_of(const uint32_t *slots, uint32_t n);
void fingerprints_deinit(struct fingerprints *f);
size_t fingerprints_bytes(const struct fingerprints *f);
/* The number that was added with it, 0: none. */
uint32_t fingerprints_find(const struct fingerprints *f, const struct fingerprint *key);
/* Adds one that is not there; number > 0. 0, -ENOMEM. */
int fingerprints_add(struct fingerprints *f, const struct fingerprint *key, uint32_t number);
/* Where a search begins; a table that is larger has the same order. */
static inline size_t fingerprints_home(const struct fingerprints *f, const struct fingerprint *key)
{
	return (size_t)((uint64_t)key->parts[0] * f->capacity >> 32);
}
/* Begins to fetch what fingerprints_find() will look at. */
static inline void fingerprints_prefetch(
	const struct fingerprints *f, const struct fingerprint *key)
{
	if (f->slots)
		__builtin_prefetch(&f->slots[fingerprints_home(f, key)]);
}

#endif
