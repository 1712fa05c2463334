/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the renumbering of a foreign profile. Small ids, which is what nearly every writer uses, are
 * an array; others (addresses, hashes) go through a seeded table, so that one huge id costs no
 * memory.
 */
#include "profile/idmap.h"
#include <errno.h>
#include "base/cleanup.h"

#define DIRECT_IDS (1U << 24)
#define MAX_IDS	   (UINT32_MAX - 1)

static uint64_t hash_of_slot(const void *ctx, uint32_t slot)
{
	const struct idmap *m = ctx;

	return hash_u64(*ARRAY_AT(&m->ids, uint64_t, slot), hash_seed());
}

static bool slot_equal(const void *ctx, uint32_t slot, const void *key)
{
	const struct idmap *m = ctx;

	return *ARRAY_AT(&m->ids, uint64_t, slot) == *(const uint64_t *)key;
}

void idmap_init(struct idmap *m)
{
	m->in_order = 0;
	m->direct = (struct array)ARRAY_INIT(uint32_t, DIRECT_IDS);
	m->ids = (struct array)ARRAY_INIT(uint64_t, MAX_IDS);
	m->defined = (struct array)ARRAY_INIT(uint32_t, MAX_IDS);
	table_init(&m->large, MAX_IDS, hash_of_slot, slot_equal, m);
}

void idmap_deinit(struct idmap *m)
{
	table_deinit(&m->large);
	array_deinit(&m->defined);
	array_deinit(&m->ids);
	array_deinit(&m->direct);
}

uint64_t idmap_bytes(const struct idmap *m)
{
	return array_bytes(&m->direct) + array_bytes(&m->ids) + array_bytes(&m->defined) +
	       table_bytes(&m->large);
}

static int new_slot(struct idmap *m, uint64_t id, uint32_t *ret)
{
	size_t n = m->ids.n;

	if (n >= MAX_IDS)
		return -E2BIG;
	uint64_t *i = array_push(&m->ids);
	uint32_t *d = i ? array_push(&m->defined) : NULL;
	if (!d) {
		m->ids.n = n;
		return -ENOMEM;
	}
	*i = id;
	*d = IDMAP_UNDEFINED;
	m->in_order += id == n + 1 && m->in_order == n;
	*ret = (uint32_t)n;
	return 0;
}

int idmap_slot_slow(struct idmap *m, uint64_t id, uint32_t *ret)
{
	uint32_t slot;
	int r;

	if (!id)
		return -EINVAL;
	if (id < DIRECT_IDS) {
		if (id >= m->direct.n) {
			r = array_resize(&m->direct,
				MIN((size_t)DIRECT_IDS, MAX((size_t)id + 1, 2 * m->direct.n)));
			if (r < 0)
				return r;
		}
		uint32_t *direct = ARRAY_AT(&m->direct, uint32_t, id);
		if (!*direct) {
			r = new_slot(m, id, &slot);
			if (r < 0)
				return r;
			*direct = slot + 1;
		}
		*ret = *direct - 1;
		return 0;
	}
	uint64_t hash = hash_u64(id, hash_seed());
	slot = table_find(&m->large, hash, &id);
	if (slot == TABLE_NONE) {
		r = new_slot(m, id, &slot);
		if (r < 0)
			return r;
		r = table_add(&m->large, hash, slot);
		if (r < 0)
			return r;
	}
	*ret = slot;
	return 0;
}

int idmap_define(struct idmap *m, uint64_t id, uint32_t index)
{
	uint32_t slot;
	int r = idmap_slot(m, id, &slot);

	if (r < 0)
		return r;
	uint32_t *d = ARRAY_AT(&m->defined, uint32_t, slot);
	if (*d != IDMAP_UNDEFINED)
		return -EEXIST;
	*d = index;
	return 0;
}

uint64_t idmap_missing(const struct idmap *m)
{
	for (size_t i = 0; i < m->defined.n; i++)
		if (*ARRAY_AT(&m->defined, uint32_t, i) == IDMAP_UNDEFINED)
			return *ARRAY_AT(&m->ids, uint64_t, i);
	return 0;
}
