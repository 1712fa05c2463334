/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the fingerprints of stacks and where they are kept. Stacks are hostile; the seed is not
 * known to who made them.
 */
#include "profile/fingerprint.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/table.h"

#define MIN_CAPACITY 4096U
/* What chance decides goes over all of it: with pages of 4 KiB, each look costs a walk of the page
 * tables too. */
#define HUGE_BYTES (2 * MIB)

/* 64x64 -> 128 bit product, folded: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint32_t *at, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, at, n * sizeof(*at));
	return v;
}

/* Two hashes of different seeds at once, each made as hash_bytes() of base/table.h does. */
struct fingerprint fingerprint_of(const uint32_t *slots, uint32_t n)
{
	uint64_t seed = hash_seed(), a = mix(seed ^ 0x2d358dccaa6c78a5, n ^ 0x8bb84b93962eacc9);
	uint64_t other = ~seed * 0x9e3779b97f4a7c15, b = mix(other, n ^ 0xd6e8feb86659fd93);

	for (; n >= 4; slots += 4, n -= 4) {
		uint64_t x = load(slots, 2), y = load(slots + 2, 2);
		a = mix(x ^ a, y ^ seed);
		b = mix(x ^ b, y ^ other);
	}
	if (n) {
		uint64_t x = load(slots, n > 2 ? 2 : n), y = n > 2 ? slots[2] : 0;
		a = mix(x ^ a, y ^ seed);
		b = mix(x ^ b, y ^ other);
	}
	a = mix(a ^ 0x8bb84b93962eacc9, a ^ seed);
	b = mix(b ^ 0x8bb84b93962eacc9, b ^ other);
	return (struct fingerprint){ { (uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b } };
}

void fingerprints_deinit(struct fingerprints *f)
{
	if (f->slots)
		(void)munmap(f->slots, f->capacity * sizeof(*f->slots));
	*f = (struct fingerprints){ 0 };
}

size_t fingerprints_bytes(const struct fingerprints *f)
{
	return f->capacity * sizeof(*f->slots);
}

/* Where it is, or where it would be. */
static struct fingerprint_slot *find(const struct fingerprints *f, const struct fingerprint *key)
{
	for (size_t i = fingerprints_home(f, key);; i++) {
		struct fingerprint_slot *s = &f->slots[i < f->capacity ? i : i - f->capacity];
		if (!s->number || !memcmp(&s->fingerprint, key, sizeof(*key)))
			return s;
	}
}

uint32_t fingerprints_find(const struct fingerprints *f, const struct fingerprint *key)
{
	return f->slots ? find(f, key)->number : 0;
}

static int grow(struct fingerprints *f)
{
	struct fingerprints new = { .n = f->n };
	size_t bytes;

	new.capacity = f->capacity ? f->capacity / 2 * 3 : MIN_CAPACITY;
	bytes = new.capacity * sizeof(*new.slots);
	void *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		return -ENOMEM;
	if (bytes >= HUGE_BYTES)
		(void)madvise(slots, bytes, MADV_HUGEPAGE);
	new.slots = slots;
	for (size_t i = 0, n; i < f->capacity; i += n) {
		struct fingerprint_slot *from = f->slots + i;
		n = MIN(f->capacity - i, HUGE_BYTES / sizeof(*from));
		for (size_t k = 0; k < n; k++)
			if (from[k].number)
				*find(&new, &from[k].fingerprint) = from[k];
		/* What was copied needs no memory any more. */
		if (n == HUGE_BYTES / sizeof(*from))
			(void)madvise(from, HUGE_BYTES, MADV_DONTNEED);
	}
	fingerprints_deinit(f);
	*f = new;
	return 0;
}

int fingerprints_add(struct fingerprints *f, const struct fingerprint *key, uint32_t number)
{
	if ((f->n + 1) * 10 > f->capacity * 7) {
		int r = grow(f);
		if (r < 0)
			return r;
	}
	*find(f, key) = (struct fingerprint_slot){ .fingerprint = *key, .number = number };
	f->n++;
	return 0;
}
