/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of attachments, their ids and bits, and the quota of each uid. Does not know what
 * makes an attachment collect anything.
 *
 * Invariants: an id is never given twice; a bit is held by one attachment at a time; the list is in
 * order of id; no uid but 0 holds more than max_per_uid. What the configuration collects by itself
 * (from_config) is nobody's: it counts against no quota, and a request does not find it.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "session/attachment.h"

_Static_assert(LIMIT_ATTACHMENTS <= 64, "an attachment is a bit of a 64-bit mask");

struct attachment_table {
	struct attachment *list[LIMIT_ATTACHMENTS]; /* owned, by id */
	size_t n;
	uint64_t last_id, bits;
	unsigned next_bit; /* to be looked at: what was collected under a bit is held for long */
	uint32_t types[LIMIT_ATTACHMENTS]; /* by bit, since it was given away */
	unsigned max_per_uid;
};

int attachment_table_new(struct attachment_table **ret, unsigned max_per_uid)
{
	struct attachment_table *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->max_per_uid = max_per_uid;
	*ret = t;
	return 0;
}

static void attachment_free(struct attachment *a)
{
	target_spec_deinit(&a->target);
	free(a);
}

struct attachment_table *attachment_table_free(struct attachment_table *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n; i++)
		attachment_free(t->list[i]);
	free(t);
	return NULL;
}

/* There is one. */
static unsigned take_bit(struct attachment_table *t)
{
	unsigned bit = t->next_bit;

	while (t->bits >> bit & 1)
		bit = (bit + 1) % LIMIT_ATTACHMENTS;
	t->next_bit = (bit + 1) % LIMIT_ATTACHMENTS;
	t->types[bit] = 0;
	t->bits |= 1ULL << bit;
	return bit;
}

/* Moves the target in. */
static int attachment_new(struct attachment_table *t, struct target_spec *target,
	uint32_t owner_uid, struct attachment **ret, struct error *error)
{
	if (t->bits == UINT64_MAX)
		return error_set(error, -ENOSPC, EXIT_CODE_FAILED,
			"all %u attachments are taken: detach one first (profctl ps)",
			LIMIT_ATTACHMENTS);
	struct attachment *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->id = ++t->last_id;
	a->bit = take_bit(t);
	a->bits = 1ULL << a->bit;
	a->target = *target;
	a->owner_uid = owner_uid;
	*target = (struct target_spec){ 0 };
	t->list[t->n++] = a;
	*ret = a;
	return 0;
}

int attachment_table_add(struct attachment_table *t, struct target_spec *target, uint32_t owner_uid,
	uint64_t connection, struct attachment **ret, bool *ret_updated, struct error *error)
{
	unsigned owned = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct attachment *a = t->list[i];
		if (a->owner_uid != owner_uid || a->from_config || a->transient)
			continue;
		owned++;
		if (a->connection == connection && target_spec_equal(&a->target, target)) {
			*ret = a;
			*ret_updated = true;
			return 0;
		}
	}
	if (owner_uid != 0 && owned >= t->max_per_uid)
		return error_set(error, -EDQUOT, EXIT_CODE_FAILED,
			"uid %u has %u attachments, at most %u: detach one first (profctl ps)",
			owner_uid, owned, t->max_per_uid);
	int r = attachment_new(t, target, owner_uid, ret, error);
	if (r < 0)
		return r;
	(*ret)->connection = connection;
	*ret_updated = false;
	return 0;
}

int attachment_table_add_transient(struct attachment_table *t, struct target_spec *target,
	uint32_t owner_uid, struct attachment **ret, struct error *error)
{
	int r = attachment_new(t, target, owner_uid, ret, error);
	if (r >= 0)
		(*ret)->transient = true;
	return r;
}

int attachment_table_take_bit(struct attachment_table *t, struct attachment *a, unsigned *ret_bit)
{
	if (t->bits == UINT64_MAX)
		return -ENOSPC;
	*ret_bit = take_bit(t);
	a->bits |= 1ULL << *ret_bit;
	return 0;
}

void attachment_table_collects(struct attachment_table *t, struct attachment *a, uint32_t types)
{
	a->types = types;
	for (uint64_t bits = a->bits; bits; bits &= bits - 1)
		t->types[__builtin_ctzll(bits)] |= types;
}

uint32_t attachment_table_types(const struct attachment_table *t, uint64_t bits)
{
	uint32_t types = 0;

	for (; bits; bits &= bits - 1)
		types |= t->types[__builtin_ctzll(bits)];
	return types;
}

void attachment_table_remove(struct attachment_table *t, struct attachment *a)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->list[i] != a)
			continue;
		t->n--;
		memmove(&t->list[i], &t->list[i + 1], (t->n - i) * sizeof(t->list[0]));
		t->bits &= ~a->bits;
		attachment_free(a);
		return;
	}
}

struct attachment *attachment_table_by_id(struct attachment_table *t, uint64_t id)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i]->id == id)
			return t->list[i];
	return NULL;
}

struct attachment *attachment_table_at(struct attachment_table *t, size_t n)
{
	return n < t->n ? t->list[n] : NULL;
}
