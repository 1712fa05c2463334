/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the counting. The profile is the daemon's; names in it are the targets'. Pure. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "live/rows.h"
#include "view/edges.h"
#include "view/frame.h"
#include "view/unit.h"

const char *const rows_by_names[] = { "function", "thread", "process", "state", NULL };

static void row_deinit(struct row *row)
{
	free(row->name);
	free(row->state);
}

void rows_deinit(struct rows *r)
{
	ARRAY_EACH(&r->all, struct row, row)
		row_deinit(row);
	array_deinit(&r->all);
}

struct owner {
	int64_t pid, tid;
	const char *comm, *thread, *state; /* of the profile */
};

static struct owner owner_of(const struct profile *p, size_t sample)
{
	struct owner o = { .comm = "", .thread = "", .state = "" };
	uint32_t n;
	const struct profile_label *l =
		profile_label_set(p, *ARRAY_AT(&p->sample_labels, uint32_t, sample), &n);

	for (uint32_t i = 0; i < n; i++) {
		const char *key = profile_text(p, l[i].key);

		if (!strcmp(key, "pid"))
			o.pid = l[i].num;
		else if (!strcmp(key, "tid"))
			o.tid = l[i].num;
		else if (!strcmp(key, "comm"))
			o.comm = profile_text(p, l[i].str);
		else if (!strcmp(key, "thread"))
			o.thread = profile_text(p, l[i].str);
		else if (!strcmp(key, "state"))
			o.state = profile_text(p, l[i].str);
	}
	return o;
}

static bool in_focus(const struct owner *o, const struct rows_focus *f)
{
	if (f->state && strcmp(o->state, f->state) != 0)
		return false;
	return !f->pid || (o->pid == f->pid && (!f->tid || o->tid == f->tid));
}

static void drop_others(struct profile *p, const struct rows_focus *focus)
{
	if (!focus->pid && !focus->state)
		return;
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		struct owner o = owner_of(p, i);

		if (!in_focus(&o, focus))
			memset(ARRAY_AT(&p->values, int64_t, i * p->n_types), 0,
				p->n_types * sizeof(int64_t));
	}
}

static struct row *find_owner(struct rows *r, const struct owner *o, bool threads)
{
	ARRAY_EACH(&r->all, struct row, row)
		if (row->pid == o->pid && (!threads || row->tid == o->tid))
			return row;
	return NULL;
}

static int name_owner(struct row *row, const struct owner *o, bool threads)
{
	_cleanup_free_ char *comm = frame_safe(o->comm, 0);
	_cleanup_free_ char *thread = frame_safe(o->thread, 0);
	int n;

	if (!comm || !thread)
		return -ENOMEM;
	if (threads)
		n = asprintf(&row->name, "%s [%" PRId64 "] of %s [%" PRId64 "]",
			*thread ? thread : comm, o->tid, comm, o->pid);
	else
		n = asprintf(&row->name, "%s [%" PRId64 "]", comm, o->pid);
	if (n < 0)
		row->name = NULL;
	return n < 0 ? -ENOMEM : 0;
}

static int count_owners(struct rows *r, const struct profile *p, uint32_t type, bool threads)
{
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		struct owner o = owner_of(p, i);
		int64_t value = profile_values(p, i)[type];
		struct row *row = value ? find_owner(r, &o, threads) : NULL;

		if (!value)
			continue;
		if (!row) {
			row = array_push(&r->all);
			if (!row)
				return -ENOMEM;
			row->pid = o.pid;
			row->tid = threads ? o.tid : 0;
			if (name_owner(row, &o, threads) < 0)
				return -ENOMEM;
		}
		row->flat = row->cum = unit_add(row->flat, value);
	}
	return 0;
}

/* Of the daemon's own words; those of a profile that has none have the empty one. */
static struct row *find_state(struct rows *r, const char *state)
{
	ARRAY_EACH(&r->all, struct row, row)
		if (!strcmp(row->state, state))
			return row;
	return NULL;
}

static int name_state(struct row *row, const char *state)
{
	row->state = strdup(state);
	row->name = frame_safe(*state ? state : "[no state]", 0);
	return row->state && row->name ? 0 : -ENOMEM;
}

static int count_states(struct rows *r, const struct profile *p, uint32_t type)
{
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		struct owner o = owner_of(p, i);
		int64_t value = profile_values(p, i)[type];
		struct row *row = value ? find_state(r, o.state) : NULL;

		if (!value)
			continue;
		if (!row) {
			row = array_push(&r->all);
			if (!row || name_state(row, o.state) < 0)
				return -ENOMEM;
		}
		row->flat = row->cum = unit_add(row->flat, value);
	}
	return 0;
}

static int add_row(struct rows *r, const char *name, int64_t flat, int64_t cum)
{
	struct row *row = array_push(&r->all);

	if (!row)
		return -ENOMEM;
	row->name = frame_safe(name, 0);
	row->flat = flat;
	row->cum = cum;
	return row->name ? 0 : -ENOMEM;
}

static int count_functions(struct rows *r, const struct graph *g)
{
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		int result = n->flat || n->cum ? add_row(r, graph_label(g, n), n->flat, n->cum) : 0;

		if (result < 0)
			return result;
	}
	return 0;
}

static int count_callers(struct rows *r, const struct graph *g, const char *function)
{
	struct edges es;
	int result = edges_init(&es, g, false);
	uint32_t node = 0;

	if (result < 0)
		return result;
	result = edges_group(&es);
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		const uint32_t *in;
		uint32_t n_in = 0;
		_cleanup_free_ char *name = frame_safe(graph_label(g, n), 0);

		if (!name)
			result = -ENOMEM;
		in = result == 0 && !strcmp(name, function) ? edges_in(&es, node, &n_in) : NULL;
		for (uint32_t i = 0; i < n_in && result == 0; i++) {
			const struct edge *e = edges_at(&es, in[i]);

			result = add_row(r,
				graph_label(g, ARRAY_AT(&g->nodes, struct graph_node, e->from)),
				e->weight, e->weight);
		}
		node++;
	}
	edges_deinit(&es);
	return result;
}

int rows_init(struct rows *r, struct profile *p, const char *sample_index, enum rows_by by,
	const struct rows_focus *focus)
{
	struct graph g;
	uint32_t type;
	int result;

	*r = (struct rows)ROWS_INIT;
	if (!p)
		return 0;
	result = view_sample_index(p, sample_index, &type, NULL);
	if (result < 0)
		return result;
	(void)snprintf(r->unit, sizeof(r->unit), "%s", profile_text(p, p->types[type].unit));
	result = graph_total(p, type, &r->total);
	if (result < 0)
		return result;
	drop_others(p, focus);
	if (by == ROWS_STATE && !focus->function)
		return count_states(r, p, type);
	if (by != ROWS_FUNCTION && !focus->function)
		return count_owners(r, p, type, by == ROWS_THREAD);
	result = graph_init(&g, p, type, NULL);
	if (result < 0)
		return result;
	result = focus->function ? count_callers(r, &g, focus->function) : count_functions(r, &g);
	graph_deinit(&g);
	return result;
}

static int by_flat(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->flat != y->flat)
		return x->flat < y->flat ? 1 : -1;
	if (x->cum != y->cum)
		return x->cum < y->cum ? 1 : -1;
	return strcmp(x->name, y->name);
}

static int by_cum(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->cum != y->cum)
		return x->cum < y->cum ? 1 : -1;
	return by_flat(a, b);
}

void rows_select(struct rows *r, bool cum, const char *filter)
{
	struct row *all = r->all.data;
	size_t kept = 0;

	for (size_t i = 0; i < r->all.n; i++) {
		if (*filter && !strcasestr(all[i].name, filter)) {
			row_deinit(&all[i]);
			continue;
		}
		all[kept++] = all[i];
	}
	r->all.n = kept;
	if (kept)
		qsort(all, kept, sizeof(*all), cum ? by_cum : by_flat);
}
