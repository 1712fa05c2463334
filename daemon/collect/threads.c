/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads by tid (threads.h). Owns its rows and one reference on the series of each; knows neither
 * series nor processes. Tids are profd's; a row is of the last thread that had its tid.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "collect/slots.h"
#include "collect/threads.h"

struct thread_row {
	uint32_t tid;	  /* 0: free, series links the free list */
	uint32_t series;  /* SERIES_NONE: only its end is known */
	uint64_t time_ns; /* of its beginning, or of the end */
};

struct thread_table {
	struct array rows; /* struct thread_row */
	struct table index;
	uint32_t free_row;	     /* TABLE_NONE: none */
	uint32_t n_ended, max_ended; /* rows of ends */
	void (*released)(void *userdata, uint32_t series);
	void *userdata;
};

static uint64_t hash_of(const void *ctx, uint32_t id)
{
	const struct thread_table *t = ctx;
	return hash_u64(ARRAY_AT(&t->rows, struct thread_row, id)->tid, hash_seed());
}

static bool equal(const void *ctx, uint32_t id, const void *key)
{
	const struct thread_table *t = ctx;
	return ARRAY_AT(&t->rows, struct thread_row, id)->tid == *(const uint32_t *)key;
}

int thread_table_new(struct thread_table **ret, uint32_t max,
	void (*released)(void *userdata, uint32_t series), void *userdata)
{
	struct thread_table *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->rows = (struct array)ARRAY_INIT(struct thread_row, max);
	t->free_row = TABLE_NONE;
	t->max_ended = max / 4;
	t->released = released;
	t->userdata = userdata;
	table_init(&t->index, max, hash_of, equal, t);
	*ret = t;
	return 0;
}

struct thread_table *thread_table_free(struct thread_table *t)
{
	if (!t)
		return NULL;
	table_deinit(&t->index);
	array_deinit(&t->rows);
	free(t);
	return NULL;
}

size_t thread_table_bytes(const struct thread_table *t)
{
	return array_bytes(&t->rows) + table_bytes(&t->index);
}

static struct thread_row *row_of(const struct thread_table *t, uint32_t tid)
{
	uint32_t id = table_find(&t->index, hash_u64(tid, hash_seed()), &tid);
	return id == TABLE_NONE ? NULL : ARRAY_AT(&t->rows, struct thread_row, id);
}

static int row_add(struct thread_table *t, const struct thread_row *row)
{
	uint32_t id = t->free_row;
	struct thread_row *at;

	if (id != TABLE_NONE) {
		at = ARRAY_AT(&t->rows, struct thread_row, id);
		t->free_row = at->series;
	} else {
		id = (uint32_t)t->rows.n;
		at = array_push(&t->rows);
		if (!at)
			return -E2BIG;
	}
	*at = *row;
	int r = table_add(&t->index, hash_u64(row->tid, hash_seed()), id);
	if (r < 0) {
		*at = (struct thread_row){ .series = t->free_row };
		t->free_row = id;
		return r;
	}
	t->n_ended += row->series == SERIES_NONE;
	return 0;
}

static void row_remove(struct thread_table *t, struct thread_row *row)
{
	uint32_t id = (uint32_t)(row - ARRAY_AT(&t->rows, struct thread_row, 0));
	uint32_t series = row->series;

	table_remove(&t->index, hash_of(t, id), id);
	*row = (struct thread_row){ .series = t->free_row };
	t->free_row = id;
	t->n_ended -= series == SERIES_NONE;
	if (series != SERIES_NONE)
		t->released(t->userdata, series);
}

int thread_table_made(struct thread_table *t, uint32_t tid, uint32_t series, uint64_t time_ns)
{
	struct thread_row *old = row_of(t, tid);

	if (!tid)
		return 1;
	if (old && old->time_ns >= time_ns) {
		/* Ended since, or made again since. */
		if (old->series == SERIES_NONE)
			row_remove(t, old);
		return 1;
	}
	if (old)
		row_remove(t, old);
	return row_add(t, &(struct thread_row){ .tid = tid, .series = series, .time_ns = time_ns });
}

void thread_table_ended(struct thread_table *t, uint32_t tid, uint64_t time_ns)
{
	struct thread_row *row = row_of(t, tid);

	if (!tid || (row && row->time_ns > time_ns))
		return;
	if (row)
		row_remove(t, row);
	else if (t->n_ended < t->max_ended)
		(void)row_add(t, &(struct thread_row){
					 .tid = tid, .series = SERIES_NONE, .time_ns = time_ns });
}

uint32_t thread_table_find(const struct thread_table *t, uint32_t tid)
{
	const struct thread_row *row = row_of(t, tid);

	return row ? row->series : SERIES_NONE;
}

void thread_table_expire(struct thread_table *t, uint64_t before_ns,
	bool (*is_gone)(void *userdata, uint32_t series), void *userdata)
{
	for (size_t i = 0; i < t->rows.n; i++) {
		struct thread_row *row = ARRAY_AT(&t->rows, struct thread_row, i);
		if (!row->tid)
			continue;
		if (row->series == SERIES_NONE ? row->time_ns < before_ns
					       : is_gone(userdata, row->series))
			row_remove(t, row);
	}
}
