/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables in the store: one of each file, named by the lists of the processes that map it. A
 * table is written in pieces while nobody can find it, then never changes. What is taken away waits
 * until no walk that may have found it is under way.
 *
 * Tables come from a worker that has parsed what a target wrote: kernel_table_check() says whether
 * one is sound. Nothing here or in the programs relies on it for more than right stacks.
 */
#include "kernel/internal.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "kernel/tables.h"

#define PIECE	   2048U /* words between two looks at the clock */
#define RULES_MAX  STORE_IDS
#define GRACE_NS   (100 * NS_PER_MS)
#define TABLE_FREE UINT32_MAX /* end of the list of free places */

struct loaded_table {
	struct room *room;	       /* owned; NULL: a free place */
	struct kernel_table_view view; /* until it is whole */
	uint32_t done;		       /* words that are copied: rows, then the index */
	uint32_t n_rows, n_pages;
	uint32_t refs; /* mappings of lists */
	bool dropped;
	uint32_t next_free;
};

static struct loaded_table *table_at(const struct kernel *k, uint32_t table)
{
	struct loaded_table *t;

	if (table >= k->tables.tables.n)
		return NULL;
	t = ARRAY_AT(&k->tables.tables, struct loaded_table, table);
	return t->room && !t->dropped ? t : NULL;
}

/* ---- what waits for walks ---- */

void tables_retire(struct kernel *k, struct room *room)
{
	room->next = k->tables.open;
	k->tables.open = room;
}

/* Of the i-th pair of a CPU and what may be at work on it. */
static uint64_t sequence_of(const struct kernel *k, unsigned i)
{
	const struct walk_state *walk = &k->programs.walks[i / WALK_CONTEXTS];

	/* Pairs with the additions in sample_enter() and sample_leave() of sample.bpf.h. */
	return __atomic_load_n(&walk->sequence[i % WALK_CONTEXTS], __ATOMIC_ACQUIRE);
}

/* Have all walks ended that were under way when the rooms were closed? The wait before looking is
 * for stores that a CPU had made and not yet shown. */
static bool grace_passed(struct kernel *k)
{
	struct tables *t = &k->tables;

	if (!t->is_noted) {
		if (clock_monotonic_ns() - t->closed_ns < GRACE_NS)
			return false;
		for (unsigned i = 0; i < k->cpus.n * WALK_CONTEXTS; i++) {
			uint64_t sequence = sequence_of(k, i);

			t->walking[i] = sequence & 1 ? sequence : 0;
		}
		t->is_noted = true;
	}
	for (unsigned i = 0; i < k->cpus.n * WALK_CONTEXTS; i++)
		if (t->walking[i] && sequence_of(k, i) == t->walking[i])
			return false;
	return true;
}

/* Programs forget what they remember of tables: pairs with unwind_find_list(). */
static void generation_end(struct store *s)
{
	uint64_t *generation = (void *)(s->bytes + STORE_GENERATION);

	__atomic_store_n(generation, *generation + 1, __ATOMIC_RELEASE);
}

static void release(struct tables *t, struct room *rooms)
{
	while (rooms) {
		struct room *next = rooms->next;

		if (rooms->rules)
			generation_end(&t->store);
		for (uint32_t i = 0; i < rooms->n_rules; i++)
			rules_unref(&t->rules, rooms->rules[i]);
		(void)store_release(&t->store, rooms);
		rooms = next;
	}
}

void tables_reclaim(struct kernel *k)
{
	struct tables *t = &k->tables;

	if (t->closed && grace_passed(k)) {
		release(t, TAKE_PTR(t->closed));
	}
	if (!t->closed && t->open) {
		t->closed = TAKE_PTR(t->open);
		t->closed_ns = clock_monotonic_ns();
		t->is_noted = false;
	}
}

/* ---- tables ---- */

int tables_init(struct kernel *k)
{
	struct tables *t = &k->tables;
	int r;

	store_init(&t->store, k->programs.store, k->programs.store_bytes);
	generation_end(&t->store);
	t->tables = (struct array)ARRAY_INIT(struct loaded_table, LIMIT_MODULES);
	t->free_table = TABLE_FREE;
	t->walking = calloc((size_t)k->cpus.n * WALK_CONTEXTS, sizeof(*t->walking));
	if (!t->walking)
		return -ENOMEM;
	r = rules_init(&t->rules, (void *)(k->programs.store + STORE_RULES));
	return r < 0 ? r : lists_init(k);
}

void tables_deinit(struct kernel *k)
{
	struct tables *t = &k->tables;

	lists_deinit(k);
	ARRAY_EACH(&t->tables, struct loaded_table, table)
		if (table->room)
			tables_retire(k, table->room);
	release(t, TAKE_PTR(t->open));
	release(t, TAKE_PTR(t->closed));
	array_deinit(&t->tables);
	rules_deinit(&t->rules);
	store_deinit(&t->store);
	free(t->walking);
	t->walking = NULL;
}

/* The rows of a page: as many as it has places at most. */
static bool page_is_sound(const struct kernel_table_view *v, uint32_t page)
{
	uint32_t first = v->page_index[page], end = v->page_index[page + 1];

	if (first > end || end > v->n_rows)
		return false;
	for (uint32_t i = first; i < end; i++)
		if ((v->rows[i] & UNWIND_ROW_RULE) >= v->n_rules ||
			(i > first && v->rows[i] >> UNWIND_ROW_SHIFT <= v->rows[i - 1] >>
					      UNWIND_ROW_SHIFT))
			return false;
	return true;
}

int kernel_table_check(const struct kernel_table_view *v, uint32_t *page, uint64_t budget_ns)
{
	uint64_t until = clock_monotonic_ns() + budget_ns;
	uint32_t words = 0;

	if (v->n_rows == 0 || v->n_pages == 0 || v->n_rules == 0 || v->n_rules > RULES_MAX ||
		(v->rows[0] & UNWIND_ROW_RULE) != UNWIND_RULE_NONE ||
		v->rules[UNWIND_RULE_NONE].cfa != UNWIND_CFA_NONE)
		return -EBADMSG;
	if (v->page_index[0] != 1 || v->page_index[v->n_pages] != v->n_rows)
		return -EBADMSG;
	while (*page < v->n_pages) {
		if (!page_is_sound(v, *page))
			return -EBADMSG;
		words += 1 + v->page_index[*page + 1] - v->page_index[*page];
		++*page;
		if (words < PIECE)
			continue;
		words = 0;
		if (clock_monotonic_ns() >= until)
			return *page == v->n_pages;
	}
	return 1;
}

static struct loaded_table *place_take(struct tables *t, uint32_t *ret)
{
	struct loaded_table *table;

	if (t->free_table != TABLE_FREE) {
		*ret = t->free_table;
		table = ARRAY_AT(&t->tables, struct loaded_table, t->free_table);
		t->free_table = table->next_free;
		*table = (struct loaded_table){ 0 };
		return table;
	}
	*ret = (uint32_t)t->tables.n;
	return array_push(&t->tables);
}

int kernel_table_begin(struct kernel *k, const struct kernel_table_view *view, uint32_t *ret_table)
{
	struct tables *t = &k->tables;
	struct loaded_table *table;
	struct room *room;
	uint32_t id;
	int r;

	if (view->n_rules > RULES_MAX || view->n_rows == 0 || view->n_pages >= UINT32_MAX / 8)
		return -EFBIG;
	tables_reclaim(k);
	r = store_take(&t->store, ((uint64_t)view->n_rows + view->n_pages + 1) * 4, &room);
	if (r < 0)
		return r;
	room->rules = calloc(MAX(view->n_rules, 1U), sizeof(*room->rules));
	table = room->rules ? place_take(t, &id) : NULL;
	if (!table) {
		(void)store_release(&t->store, room);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < view->n_rules; i++)
		room->rules[i] = rules_ref(&t->rules, view->rules[i]);
	room->n_rules = view->n_rules;
	*table = (struct loaded_table){
		.room = room,
		.view = *view,
		.n_rows = view->n_rows,
		.n_pages = view->n_pages,
	};
	t->n_tables++;
	t->rows += view->n_rows;
	*ret_table = id;
	return 0;
}

/* The i-th word of a table: rows, then the page index as offsets of rows. */
static uint32_t word_at(const struct loaded_table *t, uint32_t i)
{
	uint32_t row, rule;

	if (i >= t->n_rows)
		return t->room->offset + MIN(t->view.page_index[i - t->n_rows], t->n_rows) * 4;
	row = t->view.rows[i];
	rule = row & UNWIND_ROW_RULE;
	rule = rule < t->room->n_rules ? t->room->rules[rule] : UNWIND_RULE_NONE;
	return (row & ~UNWIND_ROW_RULE) | rule;
}

static uint32_t words_of(const struct loaded_table *t)
{
	return t->n_rows + t->n_pages + 1;
}

int kernel_table_copy(struct kernel *k, uint32_t table, uint64_t budget_ns)
{
	struct loaded_table *t = table_at(k, table);
	uint64_t until = clock_monotonic_ns() + budget_ns;
	uint32_t *to, end;

	if (!t)
		return 1;
	to = (uint32_t *)(void *)(k->tables.store.bytes + t->room->offset);
	end = words_of(t);
	while (t->done < end) {
		uint32_t stop = MIN(end, t->done + PIECE);

		for (; t->done < stop; t->done++)
			to[t->done] = word_at(t, t->done);
		if (t->done < end && clock_monotonic_ns() >= until)
			return 0;
	}
	t->view = (struct kernel_table_view){ 0 };
	return 1;
}

bool tables_is_whole(const struct kernel *k, uint32_t table)
{
	const struct loaded_table *t = table_at(k, table);

	return t && t->done == words_of(t);
}

struct store_mapping tables_mapping(const struct kernel *k, uint32_t table)
{
	const struct loaded_table *t = table_at(k, table);
	struct store_mapping m = { .index = STORE_INDEX_NONE };

	if (t) {
		m.index = t->room->offset + t->n_rows * 4;
		m.n_pages = t->n_pages;
	}
	return m;
}

static void table_free(struct kernel *k, uint32_t table)
{
	struct tables *t = &k->tables;
	struct loaded_table *at = ARRAY_AT(&t->tables, struct loaded_table, table);

	t->n_tables--;
	t->rows -= at->n_rows;
	tables_retire(k, at->room);
	*at = (struct loaded_table){ .next_free = t->free_table };
	t->free_table = table;
}

void tables_ref(struct kernel *k, uint32_t table)
{
	ARRAY_AT(&k->tables.tables, struct loaded_table, table)->refs++;
}

void tables_unref(struct kernel *k, uint32_t table)
{
	struct loaded_table *t = ARRAY_AT(&k->tables.tables, struct loaded_table, table);

	if (--t->refs == 0 && t->dropped)
		table_free(k, table);
}

void kernel_table_drop(struct kernel *k, uint32_t table)
{
	struct loaded_table *t = table_at(k, table);

	if (!t)
		return;
	t->dropped = true;
	if (t->refs == 0)
		table_free(k, table);
}

void kernel_tables_get_stats(struct kernel *k, struct kernel_tables_stats *ret)
{
	const struct tables *t = &k->tables;

	*ret = (struct kernel_tables_stats){
		.bytes = t->store.used + STORE_FIRST,
		.limit_bytes = t->store.n,
		.tables = t->n_tables,
		.processes = t->n_processes,
		.rows = t->rows,
		.rules = t->rules.n - t->rules.n_free,
	};
}
