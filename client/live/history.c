/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the cells. Bounded by HISTORY_NAMES, whatever a target calls its functions. */
#include <string.h>
#include "base/cleanup.h"
#include "live/history.h"
#include "view/unit.h"

static uint64_t hash_name(const char *name)
{
	return hash_bytes(name, strlen(name), hash_seed());
}

static uint64_t hash_of(const void *ctx, uint32_t id)
{
	const struct history *h = ctx;

	return hash_name(ARRAY_AT(&h->entries, struct history_entry, id)->name);
}

static bool is_name(const void *ctx, uint32_t id, const void *key)
{
	const struct history *h = ctx;

	return !strcmp(ARRAY_AT(&h->entries, struct history_entry, id)->name, key);
}

void history_init(struct history *h)
{
	*h = (struct history){
		.entries = ARRAY_INIT(struct history_entry, HISTORY_NAMES),
	};
	table_init(&h->index, HISTORY_NAMES, hash_of, is_name, h);
}

void history_deinit(struct history *h)
{
	ARRAY_EACH(&h->entries, struct history_entry, e)
		free(e->name);
	array_deinit(&h->entries);
	table_deinit(&h->index);
}

void history_clear(struct history *h)
{
	uint64_t cell = h->cell;

	history_deinit(h);
	history_init(h);
	h->cell = cell;
}

static void shift(int64_t *cells, uint64_t by)
{
	size_t n = by < HISTORY_CELLS ? (size_t)by : HISTORY_CELLS;

	memmove(cells + n, cells, (HISTORY_CELLS - n) * sizeof(*cells));
	memset(cells, 0, n * sizeof(*cells));
}

static bool is_empty(const struct history_entry *e)
{
	for (size_t i = 0; i < HISTORY_CELLS; i++)
		if (e->flat[i] || e->cum[i])
			return false;
	return true;
}

void history_advance(struct history *h, uint64_t now_ns)
{
	uint64_t cell = now_ns / HISTORY_CELL_NS, by = cell - h->cell;
	struct history_entry *all = h->entries.data;
	size_t kept = 0;

	h->cell = cell;
	if (by == 0)
		return;
	for (size_t i = 0; i < h->entries.n; i++) {
		shift(all[i].flat, by);
		shift(all[i].cum, by);
		if (is_empty(&all[i]))
			free(all[i].name);
		else
			all[kept++] = all[i];
	}
	h->entries.n = kept;
	table_deinit(&h->index);
	table_init(&h->index, HISTORY_NAMES, hash_of, is_name, h);
	/* What cannot be found for lack of memory starts anew. */
	for (uint32_t i = 0; i < kept; i++)
		(void)table_add(&h->index, hash_name(all[i].name), i);
}

void history_add(struct history *h, const char *name, int64_t flat, int64_t cum)
{
	uint64_t hash = hash_name(name);
	uint32_t id = table_find(&h->index, hash, name);
	struct history_entry *e;

	if (id == TABLE_NONE) {
		_cleanup_free_ char *copy = strdup(name);

		e = copy ? array_push(&h->entries) : NULL;
		if (!e)
			return;
		e->name = TAKE_PTR(copy);
		id = (uint32_t)h->entries.n - 1;
		(void)table_add(&h->index, hash, id);
	}
	e = ARRAY_AT(&h->entries, struct history_entry, id);
	e->flat[0] = unit_add(e->flat[0], flat);
	e->cum[0] = unit_add(e->cum[0], cum);
}

const struct history_entry *history_find(const struct history *h, const char *name)
{
	uint32_t id = table_find(&h->index, hash_name(name), name);

	return id == TABLE_NONE ? NULL : ARRAY_AT(&h->entries, struct history_entry, id);
}
