/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of all tables in the store, each once, with the number of tables that refer to it. An
 * id is used again only after the last room that held it was given back, so no walk finds another
 * rule under it.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "bpf/unwind_step.h"

#define RULE_FULL   1U /* id of the rule that says that there is no place for another */
#define RULE_SECOND 2U

static uint64_t word_of(struct unwind_rule_entry rule)
{
	uint64_t word;

	memcpy(&word, &rule, sizeof(word));
	return word;
}

static struct unwind_rule_entry entry_of(uint64_t word)
{
	struct unwind_rule_entry rule;

	memcpy(&rule, &word, sizeof(rule));
	return rule;
}

static uint64_t hash_of(const void *context, uint32_t id)
{
	const struct rules *r = context;

	return hash_u64(word_of(r->entries[id]), hash_seed());
}

static bool equal(const void *context, uint32_t id, const void *key)
{
	const struct rules *r = context;

	return memcmp(&r->entries[id], key, sizeof(r->entries[id])) == 0;
}

int rules_init(struct rules *r, struct unwind_rule_entry *entries)
{
	*r = (struct rules){ .entries = entries, .n = RULE_SECOND };
	table_init(&r->index, STORE_IDS, hash_of, equal, r);
	r->refs = calloc(STORE_IDS, sizeof(*r->refs));
	r->free_ids = calloc(STORE_IDS, sizeof(*r->free_ids));
	if (!r->refs || !r->free_ids)
		return -ENOMEM;
	entries[UNWIND_RULE_NONE] = entry_of(ARCH_RULE_POINTER(UNWIND_CFA_NONE));
	entries[RULE_FULL] = entry_of(UNWIND_RULE(UNWIND_CFA_UNKNOWN, 0, 0, UNWIND_UNKNOWN_RULES));
	return 0;
}

void rules_deinit(struct rules *r)
{
	table_deinit(&r->index);
	free(r->refs);
	free(r->free_ids);
	*r = (struct rules){ 0 };
}

uint32_t rules_ref(struct rules *r, struct unwind_rule_entry rule)
{
	uint64_t hash = hash_u64(word_of(rule), hash_seed());
	uint32_t id;

	if (rule.cfa == UNWIND_CFA_NONE || rule.cfa >= UNWIND_POINTER_PLAIN)
		return UNWIND_RULE_NONE;
	id = table_find(&r->index, hash, &rule);
	if (id == TABLE_NONE) {
		if (r->n_free == 0 && r->n >= STORE_IDS)
			return RULE_FULL;
		id = r->n_free ? r->free_ids[r->n_free - 1] : r->n;
		r->entries[id] = rule;
		if (table_add(&r->index, hash, id) < 0)
			return RULE_FULL;
		if (r->n_free)
			r->n_free--;
		else
			r->n++;
	}
	r->refs[id]++;
	return id;
}

void rules_unref(struct rules *r, uint32_t id)
{
	if (id < RULE_SECOND || --r->refs[id])
		return;
	table_remove(&r->index, hash_of(r, id), id);
	r->free_ids[r->n_free++] = id;
}
