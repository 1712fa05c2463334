/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded containers.
 *
 * `struct array`: growing array of equal elements, at most `max` of them. Pointers into it move on
 * push. `struct table`: open-addressing index from a 64-bit hash to a 32-bit id; the entries
 * themselves live with the caller, who tells equal entries apart. Linear probing, load at most
 * 7/10, deletion by backward shift. At most `max` entries. `struct strings`: interned byte strings
 * with ids 0..n-1; id 0 is the empty string.
 *
 * Hashes of what a target chooses are seeded (hash_seed), so that a target cannot make a table
 * slow.
 */
#ifndef PROFD_BASE_TABLE_H
#define PROFD_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct array {
	void *data; /* owned */
	size_t n, allocated, max, size;
};
#define ARRAY_INIT(type, max_)                      \
	{                                           \
		.size = sizeof(type), .max = (max_) \
	}
#define ARRAY_AT(a, type, i) (&((type *)(a)->data)[i])
/* clang's analyzer does not know that an array with elements has data. */
#ifdef __clang_analyzer__
#undef ARRAY_AT
#define ARRAY_AT(a, type, i)                     \
	({                                       \
		if (!(a)->data)                  \
			__builtin_unreachable(); \
		&((type *)(a)->data)[i];         \
	})
#endif
#define ARRAY_EACH(a, type, it)                                                           \
	for (__typeof__(type) *it = (a)->data, *it##_end = (a)->n > 0 ? it + (a)->n : it; \
		it < it##_end; it++)

void array_deinit(struct array *a);
/* A new zeroed element at the end; NULL when max is reached or memory is short. */
void *array_push(struct array *a);
/* Makes room for n elements in all and sets a->n = n, new ones zeroed. 0, -ENOMEM, -E2BIG. */
int array_resize(struct array *a, size_t n);
size_t array_bytes(const struct array *a);

#define TABLE_NONE UINT32_MAX
typedef bool (*table_equal_fn)(const void *ctx, uint32_t id, const void *key);

struct table_slot {
	uint32_t tag; /* upper half of the hash */
	uint32_t id;  /* TABLE_NONE: free */
};
struct table {
	struct table_slot *slots; /* owned; power of two */
	uint32_t mask, n, max;
	/* The hash of an entry that is in the table, needed when it grows or deletes. */
	uint64_t (*hash_of)(const void *ctx, uint32_t id);
	table_equal_fn equal;
	const void *ctx;
};

void table_init(struct table *t, uint32_t max, uint64_t (*hash_of)(const void *ctx, uint32_t id),
	table_equal_fn equal, const void *ctx);
void table_deinit(struct table *t);
/* The id of the entry equal to key, or TABLE_NONE. */
uint32_t table_find(const struct table *t, uint64_t hash, const void *key);
/* Adds an id that is not in the table. 0, -ENOMEM, -E2BIG. */
int table_add(struct table *t, uint64_t hash, uint32_t id);
/* Removes the id; no-op when it is not there. */
void table_remove(struct table *t, uint64_t hash, uint32_t id);
size_t table_bytes(const struct table *t);

/* Process-wide random seed, drawn at first use. */
uint64_t hash_seed(void);
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
static inline uint64_t hash_u64(uint64_t v, uint64_t seed)
{
	v ^= seed;
	v *= 0x9e3779b97f4a7c15ULL;
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93ULL;
	return v ^ (v >> 29);
}

struct strings {
	struct array spans; /* {offset, length} */
	char *text;	    /* owned */
	size_t text_n, text_allocated, text_max;
	struct table index;
};

/* At most max_n strings and max_bytes bytes of text (each is kept with a NUL behind it).
 * Must not be moved afterwards: the index points into it. 0 or -ENOMEM. */
int strings_init(struct strings *s, uint32_t max_n, size_t max_bytes);
void strings_deinit(struct strings *s);
/* 0 and the id, -ENOMEM or -E2BIG. Text may hold any byte. */
int strings_intern(struct strings *s, const char *text, size_t n, uint32_t *ret_id);
/* NUL-terminated; borrowed until the next intern. An unknown id gives "". */
const char *strings_get(const struct strings *s, uint32_t id, size_t *ret_n);
size_t strings_bytes(const struct strings *s);

#endif
