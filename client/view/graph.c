/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns turning locations into nodes, and totals; graph_count.c has what nodes weigh. Work is per
 * different stack, not per sample. Trusts the model's
 * indices; names and values are hostile, so sums saturate.
 */
#include "view/graph.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "view/frame.h"
#include "view/prune.h"
#include "view/unit.h"

#define NO_NODE UINT32_MAX

static uint64_t hash_node(const struct graph_node *n)
{
	uint64_t h = hash_u64((uint64_t)n->name << 32 | n->module, hash_seed());

	h = hash_u64((uint64_t)n->start_line, h);
	h = hash_u64((uint64_t)n->line ^ (uint64_t)n->file << 32, h);
	return hash_u64(n->address, h);
}

static uint64_t hash_of_node(const void *ctx, uint32_t id)
{
	const struct graph *g = ctx;

	return hash_node(ARRAY_AT(&g->nodes, struct graph_node, id));
}

static bool node_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct graph *g = ctx;
	const struct graph_node *a = ARRAY_AT(&g->nodes, struct graph_node, id), *b = key;

	return a->name == b->name && a->module == b->module && a->start_line == b->start_line &&
	       a->file == b->file && a->line == b->line && a->address == b->address;
}

/* As NodeInfo.PrintableName() of pprof. */
static int label_node(struct graph *g, struct graph_node *n)
{
	const char *name = strings_get(&g->names, n->name, NULL);
	const char *file = strings_get(&g->names, n->file, NULL);
	_cleanup_free_ char *text = NULL;
	char address[24] = "", line[24] = "";
	int r;

	if (n->address)
		(void)snprintf(address, sizeof(address), "%016" PRIx64 " ", n->address);
	if (n->line)
		(void)snprintf(line, sizeof(line), ":%" PRId64, n->line);
	if (!*address && !*line && !n->file && n->name) {
		n->label = n->name;
		return 0;
	}
	if (n->line || n->file)
		r = asprintf(&text, "%s%s%s%s%s", address, name, *name ? " " : "", file, line);
	else if (n->name)
		r = asprintf(&text, "%s%s", address, name);
	else if (n->module)
		r = asprintf(&text, "%s[%s]", address,
			frame_basename(profile_text(g->profile, n->module)));
	else
		r = asprintf(&text, "%s<unknown>", address);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return strings_intern(&g->names, text, strlen(text), &n->label);
}

static int find_or_add(struct graph *g, const struct graph_node *key, uint32_t *ret)
{
	uint64_t hash = hash_node(key);
	uint32_t id = table_find(&g->index, hash, key);

	if (id == TABLE_NONE) {
		id = (uint32_t)g->nodes.n;
		struct graph_node *n = array_push(&g->nodes);
		if (!n)
			return -ENOMEM;
		*n = *key;
		int r = table_add(&g->index, hash, id);
		if (r >= 0)
			r = label_node(g, n);
		if (r < 0)
			return r;
	}
	*ret = id;
	return 0;
}

static uint32_t module_of(const struct graph *g, const struct profile_location *l)
{
	return l->mapping == PROFILE_NONE
		       ? 0
		       : ARRAY_AT(&g->profile->mappings, struct profile_mapping, l->mapping)->file;
}

/* As pprof shows a path: without what a build sandbox puts in front, and cleaned as Go's
 * filepath.Clean() does. In place. */
static char *clean_path(char *path)
{
	static const char *const sandboxes[] = { "/proc/self/cwd/./", "/proc/self/cwd/" };
	char *to, *floor;

	for (size_t i = 0; i < ARRAY_SIZE(sandboxes); i++)
		if (!strncmp(path, sandboxes[i], strlen(sandboxes[i]))) {
			path += strlen(sandboxes[i]);
			break;
		}
	if (!*path)
		return path;
	bool rooted = *path == '/';
	floor = to = path + rooted;
	for (const char *at = floor; *at;) {
		size_t n = strcspn(at, "/");
		bool up = n == 2 && !strncmp(at, "..", 2);
		if (up && to > floor) {
			while (to > floor && *--to != '/')
				;
		} else if (n && !(n == 1 && *at == '.') && !(up && rooted)) {
			if (to > path + rooted)
				*to++ = '/';
			memmove(to, at, n);
			to += n;
			if (up)
				floor = to;
		}
		at += n;
		at += *at == '/';
	}
	if (to == path)
		*to++ = '.';
	*to = '\0';
	return path;
}

struct function_names {
	uint32_t name, file; /* of graph.names */
};

static int name_functions(struct graph *g, struct array *names)
{
	const struct profile *p = g->profile;
	enum view_granularity granularity = g->options.granularity;
	int r = array_resize(names, p->functions.n);

	for (size_t i = 0; i < p->functions.n && r >= 0; i++) {
		_cleanup_free_ char *owned = NULL, *path = NULL;
		const struct profile_function *f =
			ARRAY_AT(&p->functions, struct profile_function, i);
		struct function_names *n = ARRAY_AT(names, struct function_names, i);
		const char *text;

		if (granularity != GRANULARITY_FILES) {
			text = frame_function_name(p, f, &owned);
			r = strings_intern(&g->names, text, strlen(text), &n->name);
		}
		if (granularity == GRANULARITY_FUNCTIONS || r < 0)
			continue;
		path = strdup(profile_text(p, f->file));
		if (!path)
			return -ENOMEM;
		text = clean_path(path);
		r = strings_intern(&g->names, text, strlen(text), &n->file);
	}
	return r;
}

static struct graph_node key_of(const struct graph *g, const struct array *names,
	const struct profile_location *l, const struct profile_line *line)
{
	enum view_granularity granularity = g->options.granularity;
	struct graph_node key = { 0 };

	if (granularity == GRANULARITY_ADDRESSES)
		key.address = l->address;
	if (!line) {
		key.module = module_of(g, l);
		return key;
	}
	const struct function_names *n = ARRAY_AT(names, struct function_names, line->function);
	key.name = n->name;
	key.file = n->file;
	if (granularity >= GRANULARITY_LINES)
		key.line = line->line;
	if (!key.name || g->options.modules) {
		key.module = module_of(g, l);
		key.start_line =
			ARRAY_AT(&g->profile->functions, struct profile_function, line->function)
				->start_line;
	}
	return key;
}

static int make_nodes_of(struct graph *g, const struct array *names, uint32_t location)
{
	const struct profile *p = g->profile;
	const struct profile_location *l =
		ARRAY_AT(&p->locations, struct profile_location, location);
	uint32_t n_lines, first = *ARRAY_AT(&g->first_line, uint32_t, location);
	const struct profile_line *lines = profile_lines(p, location, &n_lines);
	int r = 0;

	for (uint32_t i = first; i < MAX(n_lines, 1U) && r >= 0; i++) {
		struct graph_node key = key_of(g, names, l, n_lines ? &lines[i] : NULL);
		uint32_t *node = array_push(&g->nodes_of);
		r = node ? find_or_add(g, &key, node) : -ENOMEM;
		if (r >= 0 && i + 1 < n_lines)
			ARRAY_AT(&g->nodes, struct graph_node, *node)->in_inlined_place = true;
	}
	*ARRAY_AT(&g->nodes_at, uint32_t, (size_t)location + 1) = (uint32_t)g->nodes_of.n;
	return r;
}

static int make_nodes(struct graph *g)
{
	CLEANUP(array_deinit) struct array names = ARRAY_INIT(struct function_names, SIZE_MAX);
	int r = name_functions(g, &names);

	if (r >= 0)
		r = array_resize(&g->nodes_at, g->profile->locations.n + 1);
	for (size_t i = 0; i < g->profile->locations.n && r >= 0; i++)
		r = make_nodes_of(g, &names, (uint32_t)i);
	return r;
}

/* The samples that `-diff_base` marks: percentages are of the base. */
static bool is_diff_base(const struct profile *p, uint32_t set)
{
	uint32_t n;
	const struct profile_label *l = profile_label_set(p, set, &n);

	for (uint32_t i = 0; i < n; i++)
		if (l[i].str && !strcmp(profile_text(p, l[i].key), "pprof::base") &&
			!strcmp(profile_text(p, l[i].str), "true"))
			return true;
	return false;
}

struct merged {
	uint32_t stack, labels;
	int64_t value;
};

static int compare_merged(const void *x, const void *y)
{
	const struct merged *a = x, *b = y;

	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	return a->labels < b->labels ? -1 : a->labels > b->labels;
}

struct sums {
	bool any_base; /* some samples may be of the base */
	int64_t all, base;
};

static void sums_init(struct sums *s, const struct profile *p)
{
	*s = (struct sums){ 0 };
	for (uint32_t i = 1; i < p->label_sets.n && !s->any_base; i++)
		s->any_base = is_diff_base(p, i);
}

static inline void add_to_sums(
	const struct profile *p, struct sums *s, uint32_t labels, int64_t value)
{
	s->all = graph_add(s->all, value == INT64_MIN ? INT64_MAX : value < 0 ? -value : value);
	if (s->any_base && is_diff_base(p, labels))
		s->base = graph_add(s->base, unit_abs(value));
}

/* With values of both signs (a difference of profiles) the total depends on what was added up
 * before: pprof merges samples of equal stack and labels first. */
static int sum_merged(const struct profile *p, uint32_t type, struct sums *s)
{
	size_t n = profile_n_samples(p);
	_cleanup_free_ struct merged *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		all[i] = (struct merged){ *ARRAY_AT(&p->sample_stacks, uint32_t, i),
			*ARRAY_AT(&p->sample_labels, uint32_t, i), profile_values(p, i)[type] };
	qsort(all, n, sizeof(*all), compare_merged);
	for (size_t i = 0, next; i < n; i = next) {
		int64_t sum = 0;
		for (next = i; next < n && !compare_merged(&all[i], &all[next]); next++)
			sum = graph_add(sum, all[next].value);
		add_to_sums(p, s, all[i].labels, sum);
	}
	return 0;
}

int graph_total(const struct profile *p, uint32_t type, int64_t *ret)
{
	struct sums s;
	bool negative = false;
	int r = 0;

	sums_init(&s, p);
	for (size_t i = 0; i < profile_n_samples(p) && !negative; i++)
		negative = profile_values(p, i)[type] < 0;
	if (negative)
		r = sum_merged(p, type, &s);
	for (size_t i = 0; i < profile_n_samples(p) && !negative; i++)
		add_to_sums(p, &s, *ARRAY_AT(&p->sample_labels, uint32_t, i),
			profile_values(p, i)[type]);
	if (r >= 0)
		*ret = s.base ? s.base : s.all;
	return r;
}

static int weigh_stacks(struct graph *g)
{
	const struct profile *p = g->profile;
	int r = array_resize(&g->weights, p->stacks.n);

	for (size_t i = 0; i < profile_n_samples(p) && r >= 0; i++) {
		int64_t *w =
			ARRAY_AT(&g->weights, int64_t, *ARRAY_AT(&p->sample_stacks, uint32_t, i));
		*w = graph_add(*w, profile_values(p, i)[g->type]);
	}
	if (r < 0)
		return r;
	if (!g->options.total)
		return graph_total(p, g->type, &g->total);
	g->total = *g->options.total;
	return 0;
}

int graph_init(
	struct graph *g, const struct profile *p, uint32_t type, const struct graph_options *o)
{
	*g = (struct graph){
		.profile = p,
		.options = o ? *o : (struct graph_options){ 0 },
		.type = type,
		.nodes = ARRAY_INIT(struct graph_node, NO_NODE - 1),
		.nodes_of = ARRAY_INIT(uint32_t, UINT32_MAX),
		.nodes_at = ARRAY_INIT(uint32_t, SIZE_MAX),
		.weights = ARRAY_INIT(int64_t, SIZE_MAX),
		.first_line = ARRAY_INIT(uint32_t, SIZE_MAX),
		.leaf = ARRAY_INIT(uint32_t, SIZE_MAX),
	};
	table_init(&g->index, NO_NODE - 1, hash_of_node, node_equal, g);
	int r = strings_init(&g->names, LIMIT_PROFILE_STRINGS, LIMIT_PROFILE_BYTES);
	if (r >= 0)
		r = prune(p, &g->first_line, &g->leaf);
	if (r >= 0)
		r = make_nodes(g);
	if (r >= 0)
		r = weigh_stacks(g);
	if (r >= 0)
		r = graph_count(g);
	if (r < 0)
		graph_deinit(g);
	return r;
}

void graph_deinit(struct graph *g)
{
	table_deinit(&g->index);
	array_deinit(&g->leaf);
	array_deinit(&g->first_line);
	array_deinit(&g->weights);
	array_deinit(&g->nodes_at);
	array_deinit(&g->nodes_of);
	array_deinit(&g->nodes);
	strings_deinit(&g->names);
}

/* The numbers as text: pprof compares what it would print. */
static int compare_numbers(int64_t a, int64_t b)
{
	char x[32], y[32];

	(void)snprintf(x, sizeof(x), "%" PRId64 " ", a);
	(void)snprintf(y, sizeof(y), "%" PRId64 " ", b);
	return strcmp(x, y);
}

int graph_tie(const struct graph *g, const struct graph_node *a, const struct graph_node *b)
{
	int c = strcmp(
		strings_get(&g->names, a->name, NULL), strings_get(&g->names, b->name, NULL));

	c = c ?: compare_numbers((int64_t)a->address, (int64_t)b->address);
	c = c
		    ?: strcmp(strings_get(&g->names, a->file, NULL),
			       strings_get(&g->names, b->file, NULL));
	c = c ?: compare_numbers(a->start_line, b->start_line);
	c = c ?: compare_numbers(a->line, b->line);
	return c
		       ?: strcmp(profile_text(g->profile, a->module),
				  profile_text(g->profile, b->module));
}
