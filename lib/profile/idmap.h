/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of a foreign profile (any 64-bit numbers but 0, used before or after they are defined) to
 * slots 0..n-1 in order of appearance, and from a slot to the index of what defined it.
 */
#ifndef PROFD_PROFILE_IDMAP_H
#define PROFD_PROFILE_IDMAP_H

#include <stdint.h>
#include "base/table.h"

struct idmap {
	uint32_t in_order;    /* ids 1..in_order have the slots 0..in_order - 1: often all have */
	struct array direct;  /* uint32_t slot + 1 by id, for small ids */
	struct array ids;     /* uint64_t by slot */
	struct array defined; /* uint32_t index by slot, IDMAP_UNDEFINED before */
	struct table large;   /* slots of the ids that are not small */
};

#define IDMAP_UNDEFINED UINT32_MAX

/* Must not be moved afterwards. */
void idmap_init(struct idmap *m);
void idmap_deinit(struct idmap *m);
uint64_t idmap_bytes(const struct idmap *m);
/* 0, -EINVAL for id 0, -E2BIG, -ENOMEM. */
int idmap_slot_slow(struct idmap *m, uint64_t id, uint32_t *ret);
static inline int idmap_slot(struct idmap *m, uint64_t id, uint32_t *ret)
{
	if (id - 1 < m->in_order) {
		*ret = (uint32_t)id - 1;
		return 0;
	}
	if (id < m->direct.n && ARRAY_AT(&m->direct, uint32_t, id)[0]) {
		*ret = ARRAY_AT(&m->direct, uint32_t, id)[0] - 1;
		return 0;
	}
	return idmap_slot_slow(m, id, ret);
}
/* 0, -EEXIST when the id has an index already, or as idmap_slot. */
int idmap_define(struct idmap *m, uint64_t id, uint32_t index);
/* The first id that was used and never defined, 0: none. */
uint64_t idmap_missing(const struct idmap *m);
static inline uint32_t idmap_index(const struct idmap *m, uint32_t slot)
{
	return *ARRAY_AT(&m->defined, uint32_t, slot);
}

#endif
