/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the counting of labels by node. Nodes are looked at 64 at a time: a stack holds a bit for
 * each, so that memory is that of the stacks and of the different tags, however many samples there
 * are. Trusts the model's indices; values saturate.
 */
#include "view/tags.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "view/filter.h"
#include "view/unit.h"

#define BATCH	64U
#define NO_SLOT BATCH

/* A tag that a label set has, with the number it was made of. */
struct set_tag {
	uint32_t kind;
	int64_t value;
};

struct kind {
	struct tag tag; /* its sums are of the node at hand */
	bool touched;
};

struct counting {
	struct tags *t;
	const struct graph *g;
	const char *unit;
	struct array kinds;   /* struct kind */
	struct table index;   /* of kinds */
	struct array of_sets; /* struct set_tag, by label set */
	struct array sets;    /* struct profile_span by label set */
	struct array touched; /* uint32_t kind, in the order of the samples */
	uint64_t *stacks;     /* owned: bits of the batch's nodes by stack */
	uint8_t *leaves;      /* owned: slot of the leaf by stack */
	uint8_t *slots;	      /* owned: by node, NO_SLOT: not in the batch */
};

static void counting_deinit(struct counting *c)
{
	table_deinit(&c->index);
	array_deinit(&c->kinds);
	array_deinit(&c->of_sets);
	array_deinit(&c->sets);
	array_deinit(&c->touched);
	free(c->stacks);
	free(c->leaves);
	free(c->slots);
}

static struct tag *kind_tag(const struct counting *c, uint32_t kind)
{
	return &ARRAY_AT(&c->kinds, struct kind, kind)->tag;
}

static uint64_t hash_tag(const struct tag *t)
{
	return hash_u64((uint64_t)t->name << 32 | t->label, hash_seed() + t->is_number);
}

static uint64_t hash_of_kind(const void *ctx, uint32_t kind)
{
	return hash_tag(kind_tag(ctx, kind));
}

static bool kind_equal(const void *ctx, uint32_t kind, const void *key)
{
	const struct tag *a = kind_tag(ctx, kind), *b = key;

	return a->name == b->name && a->label == b->label && a->is_number == b->is_number;
}

static int add_to_set(struct counting *c, const struct tag *tag)
{
	uint64_t hash = hash_tag(tag);
	uint32_t id = table_find(&c->index, hash, tag);

	if (id == TABLE_NONE) {
		id = (uint32_t)c->kinds.n;
		struct kind *k = array_push(&c->kinds);
		if (!k)
			return -ENOMEM;
		k->tag = *tag;
		int r = table_add(&c->index, hash, id);
		if (r < 0)
			return r;
	}
	struct set_tag *s = array_push(&c->of_sets);
	if (!s)
		return -ENOMEM;
	*s = (struct set_tag){ .kind = id, .value = tag->value };
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_texts(struct array *texts)
{
	ARRAY_EACH(texts, char *, text)
		free(*text);
	array_deinit(texts);
}

/* All "key:value" of a set, sorted, as one name. */
static int join_labels(struct counting *c, const struct profile_label *l, uint32_t n, uint32_t *ret)
{
	CLEANUP(free_texts) struct array texts = ARRAY_INIT(char *, UINT32_MAX);
	const struct profile *p = c->g->profile;
	_cleanup_free_ char *joined = NULL;
	size_t length;

	for (uint32_t i = 0; i < n; i++) {
		if (!l[i].str || !strcmp(profile_text(p, l[i].key), "pprof::base"))
			continue;
		char **text = array_push(&texts);
		if (!text || asprintf(text, "%s:%s", profile_text(p, l[i].key),
				     profile_text(p, l[i].str)) < 0) {
			texts.n -= text != NULL;
			return -ENOMEM;
		}
	}
	*ret = 0;
	if (!texts.n)
		return 0;
	char **all = texts.data;
	qsort(all, texts.n, sizeof(*all), compare_texts);
	FILE *out = open_memstream(&joined, &length);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < texts.n; i++)
		(void)fprintf(out, "%s%s", i ? "\\n" : "", all[i]);
	if (fclose(out))
		return -ENOMEM;
	return strings_intern(&c->t->names, joined, length, ret);
}

static int add_number(struct counting *c, uint32_t label, int64_t value)
{
	struct tag tag = { .label = label, .is_number = true, .value = value };
	char text[UNIT_TEXT];

	(void)unit_label(value, c->t->unit, c->unit, text);
	int r = strings_intern(&c->t->names, text, strlen(text), &tag.name);
	return r < 0 ? r : add_to_set(c, &tag);
}

static int tag_set(struct counting *c, uint32_t set)
{
	const struct profile *p = c->g->profile;
	struct profile_span *span = ARRAY_AT(&c->sets, struct profile_span, set);
	uint32_t n, label;
	const struct profile_label *l = profile_label_set(p, set, &n);
	int r = join_labels(c, l, n, &label);

	span->first = c->of_sets.n;
	if (r >= 0 && label)
		r = add_to_set(c, &(struct tag){ .name = label });
	for (uint32_t i = 0; i < n && r >= 0; i++)
		if (tag_is_number(&l[i]) && !strcmp(profile_text(p, l[i].key), "bytes"))
			r = add_number(c, label, l[i].num);
	span->n = (uint32_t)(c->of_sets.n - span->first);
	return r;
}

/* In which unit the labels "bytes" are. */
static int find_unit(struct counting *c)
{
	CLEANUP(array_deinit) struct array units = ARRAY_INIT(uint32_t, SIZE_MAX);
	const struct profile *p = c->g->profile;
	int r = tag_units(p, &units);

	c->t->unit = "bytes";
	ARRAY_EACH(&p->labels, struct profile_label, l) {
		if (r >= 0 && !strcmp(profile_text(p, l->key), "bytes")) {
			c->t->unit = tag_unit(p, &units, l->key);
			break;
		}
	}
	return r;
}

static int counting_init(struct counting *c)
{
	const struct profile *p = c->g->profile;
	int r = find_unit(c);

	table_init(&c->index, UINT32_MAX - 1, hash_of_kind, kind_equal, c);
	if (r >= 0)
		r = array_resize(&c->sets, p->label_sets.n);
	for (uint32_t i = 0; i < p->label_sets.n && r >= 0; i++)
		r = tag_set(c, i);
	if (r < 0 || !c->kinds.n)
		return r;
	r = array_resize(&c->t->of_node, c->g->nodes.n);
	c->stacks = calloc(p->stacks.n + 1, sizeof(*c->stacks));
	c->leaves = calloc(p->stacks.n + 1, 1);
	c->slots = malloc(c->g->nodes.n + 1);
	if (r < 0 || !c->stacks || !c->leaves || !c->slots)
		return -ENOMEM;
	memset(c->slots, NO_SLOT, c->g->nodes.n + 1);
	return 0;
}

static void look_at_stack(struct counting *c, uint32_t stack)
{
	const struct graph *g = c->g;
	uint32_t n, n_nodes;
	const uint32_t *locations = profile_stack(g->profile, stack, &n);
	uint8_t slot = NO_SLOT;
	uint64_t bits = 0;

	for (uint32_t i = n; i-- > *ARRAY_AT(&g->leaf, uint32_t, stack);) {
		const uint32_t *nodes = graph_nodes_of(g, locations[i], &n_nodes);
		for (uint32_t k = n_nodes; k-- > 0;) {
			slot = c->slots[nodes[k]];
			bits |= slot == NO_SLOT ? 0 : UINT64_C(1) << slot;
		}
	}
	c->stacks[stack] = bits;
	c->leaves[stack] = slot;
}

static int count_sample(struct counting *c, uint32_t set, int64_t weight, bool is_leaf)
{
	const struct profile_span *s = ARRAY_AT(&c->sets, struct profile_span, set);

	for (uint32_t i = 0; i < s->n; i++) {
		const struct set_tag *st = ARRAY_AT(&c->of_sets, struct set_tag, s->first + i);
		struct kind *k = ARRAY_AT(&c->kinds, struct kind, st->kind);
		if (!k->touched) {
			uint32_t *touched = array_push(&c->touched);
			if (!touched)
				return -ENOMEM;
			*touched = st->kind;
			k->touched = true;
			k->tag.value = st->value;
		}
		k->tag.cum = unit_add(k->tag.cum, weight);
		if (is_leaf)
			k->tag.flat = unit_add(k->tag.flat, weight);
	}
	return 0;
}

/* The sums become the node's, and are begun anew. */
static int finish_node(struct counting *c, uint32_t node, int64_t cutoff)
{
	struct profile_span *span = ARRAY_AT(&c->t->of_node, struct profile_span, node);

	span->first = c->t->all.n;
	ARRAY_EACH(&c->touched, uint32_t, kind) {
		struct kind *k = ARRAY_AT(&c->kinds, struct kind, *kind);
		if (unit_abs(k->tag.flat) >= cutoff || unit_abs(k->tag.cum) >= cutoff) {
			struct tag *tag = array_push(&c->t->all);
			if (!tag)
				return -ENOMEM;
			*tag = k->tag;
		}
		k->tag.flat = k->tag.cum = 0;
		k->touched = false;
	}
	span->n = (uint32_t)(c->t->all.n - span->first);
	return array_resize(&c->touched, 0);
}

static int count_node(struct counting *c, uint32_t node, uint8_t slot, int64_t cutoff)
{
	const struct profile *p = c->g->profile;
	int r = 0;

	for (size_t i = 0; i < profile_n_samples(p) && r >= 0; i++) {
		uint32_t stack = *ARRAY_AT(&p->sample_stacks, uint32_t, i);
		int64_t weight = profile_values(p, i)[c->g->type];
		if (c->stacks[stack] >> slot & 1 && weight)
			r = count_sample(c, *ARRAY_AT(&p->sample_labels, uint32_t, i), weight,
				c->leaves[stack] == slot);
	}
	return r < 0 ? r : finish_node(c, node, cutoff);
}

static int count_batch(struct counting *c, const uint32_t *nodes, size_t n, int64_t cutoff)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		c->slots[nodes[i]] = (uint8_t)i;
	for (size_t i = 0; i < c->g->profile->stacks.n; i++)
		look_at_stack(c, (uint32_t)i);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = count_node(c, nodes[i], (uint8_t)i, cutoff);
	for (size_t i = 0; i < n; i++)
		c->slots[nodes[i]] = NO_SLOT;
	return r;
}

int tags_init(struct tags *t, const struct graph *g, const uint32_t *nodes, size_t n,
	int64_t cutoff, const char *unit)
{
	CLEANUP(counting_deinit)
	struct counting c = {
		.t = t,
		.g = g,
		.unit = unit,
		.kinds = ARRAY_INIT(struct kind, UINT32_MAX - 1),
		.of_sets = ARRAY_INIT(struct set_tag, SIZE_MAX),
		.sets = ARRAY_INIT(struct profile_span, SIZE_MAX),
		.touched = ARRAY_INIT(uint32_t, UINT32_MAX),
	};

	*t = (struct tags){
		.all = ARRAY_INIT(struct tag, UINT32_MAX),
		.of_node = ARRAY_INIT(struct profile_span, SIZE_MAX),
	};
	int r = strings_init(&t->names, LIMIT_PROFILE_STRINGS, LIMIT_PROFILE_BYTES);
	if (r >= 0)
		r = counting_init(&c);
	for (size_t i = 0; i < n && r >= 0 && c.kinds.n; i += BATCH)
		r = count_batch(&c, nodes + i, n - i < BATCH ? n - i : BATCH, cutoff);
	if (r < 0)
		tags_deinit(t);
	return r;
}

void tags_deinit(struct tags *t)
{
	array_deinit(&t->of_node);
	array_deinit(&t->all);
	strings_deinit(&t->names);
}
