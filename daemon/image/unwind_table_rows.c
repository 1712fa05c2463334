/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns rows, page index and rules until they are taken out. Trusts its caller for the meaning of
 * rules only: addresses come from a target's file and are checked here.
 *
 * Invariants: rows[0] is the sentinel; no row has the rule of the one before it; index[p] is known
 * for every p up to the page of the last row.
 */
#include "image/unwind_table_rows.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"

#define FIRST_ROWS 1024U

static uint64_t as_word(struct unwind_rule_entry rule)
{
	uint64_t word;

	memcpy(&word, &rule, sizeof(word));
	return word;
}

static uint64_t hash_of(const void *context, uint32_t id)
{
	const struct unwind_rows *r = context;

	return hash_u64(as_word(*ARRAY_AT(&r->rules, struct unwind_rule_entry, id)), hash_seed());
}

static bool is_equal(const void *context, uint32_t id, const void *key)
{
	const struct unwind_rows *r = context;

	return as_word(*ARRAY_AT(&r->rules, struct unwind_rule_entry, id)) ==
	       *(const uint64_t *)key;
}

/* 0 and the id, -E2BIG or -ENOMEM. */
static int intern(struct unwind_rows *r, struct unwind_rule_entry rule, uint32_t *ret)
{
	uint64_t word = as_word(rule), hash;
	uint32_t at = (uint32_t)((word * 0x9e3779b97f4a7c15ULL) >> 32) % UNWIND_ROWS_RECENT, id;
	struct unwind_rule_entry *added;
	int error;

	if (r->recent[at].rule == word) {
		*ret = r->recent[at].id;
		return 0;
	}
	hash = hash_u64(word, hash_seed());
	id = table_find(&r->ids, hash, &word);
	if (id == TABLE_NONE) {
		id = (uint32_t)r->rules.n;
		added = array_push(&r->rules);
		if (!added)
			return id >= UNWIND_ROWS_RULES ? -E2BIG : -ENOMEM;
		*added = rule;
		error = table_add(&r->ids, hash, id);
		if (error < 0)
			return error;
	}
	r->recent[at].rule = word;
	r->recent[at].id = id;
	*ret = id;
	return 0;
}

int unwind_rows_init(struct unwind_rows *r, uint64_t base, uint64_t end, uint32_t max_rows)
{
	static const enum unwind_unknown too_many = UNWIND_UNKNOWN_RULES;
	uint32_t ignored;

	*r = (struct unwind_rows){
		.base = base,
		.end = end,
		.max_rows = MIN(MAX(max_rows, 2U), UINT32_MAX - 1),
		.rows = ARRAY_INIT(uint32_t, UINT32_MAX),
		.index = ARRAY_INIT(uint32_t, (1U << 20) + 2),
		.rules = ARRAY_INIT(struct unwind_rule_entry, UNWIND_ROWS_RULES),
	};
	/* No rule is all ones. */
	memset(r->recent, 0xff, sizeof(r->recent));
	table_init(&r->ids, UNWIND_ROWS_RULES, hash_of, is_equal, r);
	/* Ids 0 and 1 are there from the beginning: none, and what is said when ids run out. */
	if (array_resize(&r->rows, FIRST_ROWS) < 0 ||
		intern(r, (struct unwind_rule_entry){ 0 }, &ignored) < 0 ||
		intern(r,
			(struct unwind_rule_entry){
				.cfa = UNWIND_CFA_UNKNOWN, .cfa_offset = too_many },
			&ignored) < 0) {
		unwind_rows_deinit(r);
		return -ENOMEM;
	}
	r->n_rows = 1;
	return 0;
}

void unwind_rows_deinit(struct unwind_rows *r)
{
	array_deinit(&r->rows);
	array_deinit(&r->index);
	array_deinit(&r->rules);
	table_deinit(&r->ids);
	*r = (struct unwind_rows){ 0 };
}

/* index[0..page] are known afterwards. */
static int fill_index(struct unwind_rows *r, uint32_t page)
{
	uint32_t from = r->n_index;

	if (page < from)
		return 0;
	if (array_resize(&r->index, (size_t)page + 1) < 0)
		return -ENOMEM;
	for (uint32_t p = from; p <= page; p++)
		*ARRAY_AT(&r->index, uint32_t, p) = r->n_rows;
	r->n_index = page + 1;
	return 0;
}

static int fill_up(struct unwind_rows *r)
{
	uint32_t *rows = r->rows.data;

	r->full = true;
	rows[r->n_rows - 1] = rows[r->n_rows - 1] & ~UNWIND_ROW_RULE;
	return -E2BIG;
}

int unwind_rows_add(struct unwind_rows *r, uint64_t pc, struct unwind_rule_entry rule)
{
	uint32_t *rows = r->rows.data, id;
	uint64_t offset = pc - r->base;
	int error;

	if (r->full)
		return -E2BIG;
	if (pc < r->base || pc >= r->end || offset < r->last)
		return 0;
	error = intern(r, rule, &id);
	if (error == -E2BIG)
		id = 1;
	else if (error < 0)
		return error;
	if (r->last_is_row && r->last == offset)
		r->n_rows--;
	r->last_is_row = false;
	r->last = offset;
	if ((rows[r->n_rows - 1] & UNWIND_ROW_RULE) == id)
		return 0;
	if (r->n_rows >= r->max_rows)
		return fill_up(r);
	if (r->n_rows >= r->rows.n) {
		if (array_resize(&r->rows, r->rows.n * 2) < 0)
			return -ENOMEM;
		rows = r->rows.data;
	}
	error = fill_index(r, (uint32_t)(offset >> UNWIND_PAGE_SHIFT));
	if (error < 0)
		return error;
	rows[r->n_rows++] = (uint32_t)(offset & 0xfff) << UNWIND_ROW_SHIFT | id;
	r->last_is_row = true;
	return 0;
}

int unwind_rows_finish(struct unwind_rows *r, uint32_t *ret_pages)
{
	uint32_t pages = r->n_index;

	if (fill_index(r, pages) < 0)
		return -ENOMEM;
	*ret_pages = pages;
	return 0;
}
