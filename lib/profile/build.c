/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns interning: equal functions, locations, stacks, label sets and (on demand) samples are kept
 * once. The index is made from the columns when it is first needed, so that a profile that was only
 * read does not pay for it.
 *
 * Invariant: hashes[i] of an interner belongs to element i of its column; elements enter column and
 * interner together. Content comes from targets, so the hashes are seeded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "profile/build.h"
#include "profile/profile.h"

struct interner {
	struct table table;
	struct array hashes; /* uint64_t an element */
	const struct profile *profile;
};

struct profile_index {
	struct interner functions, locations, stacks, label_sets, samples;
	bool has_samples; /* only once a sample was added with `merge` */
};

struct location_key {
	struct profile_location location;
	const struct profile_line *lines;
};

struct span_key {
	const void *data;
	uint32_t n;
};

struct sample_key {
	uint32_t stack, labels;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	return hash_u64(v, h);
}

/* Field by field: the structs have padding. */
static uint64_t hash_function(const struct profile_function *f)
{
	uint64_t h = mix(hash_seed(), (uint64_t)f->name << 32 | f->system_name);
	return mix(mix(h, f->file), (uint64_t)f->start_line);
}

static uint64_t hash_location(const struct location_key *k)
{
	uint64_t h = mix(hash_seed(), k->location.address);

	h = mix(h, (uint64_t)k->location.mapping << 32 | k->location.n_lines);
	h = mix(h, k->location.is_folded);
	for (uint32_t i = 0; i < k->location.n_lines; i++) {
		h = mix(h, k->lines[i].function);
		h = mix(h, (uint64_t)k->lines[i].line);
		h = mix(h, (uint64_t)k->lines[i].column);
	}
	return h;
}

static uint64_t hash_labels(const struct profile_label *labels, uint32_t n)
{
	uint64_t h = mix(hash_seed(), n);

	for (uint32_t i = 0; i < n; i++) {
		h = mix(h, (uint64_t)labels[i].key << 32 | labels[i].str);
		h = mix(mix(h, labels[i].num_unit), (uint64_t)labels[i].num);
	}
	return h;
}

static uint64_t hash_stack(const uint32_t *locations, uint32_t n)
{
	return hash_bytes(locations, (size_t)n * sizeof(*locations), hash_seed());
}

static uint64_t hash_sample(const struct sample_key *k)
{
	return mix(hash_seed(), (uint64_t)k->stack << 32 | k->labels);
}

static bool function_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct interner *in = ctx;
	const struct profile_function *a =
		ARRAY_AT(&in->profile->functions, struct profile_function, id);
	const struct profile_function *b = key;

	return a->name == b->name && a->system_name == b->system_name && a->file == b->file &&
	       a->start_line == b->start_line;
}

static bool location_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct interner *in = ctx;
	const struct profile_location *a =
		ARRAY_AT(&in->profile->locations, struct profile_location, id);
	const struct location_key *k = key;
	const struct profile_location *b = &k->location;
	uint32_t n;
	const struct profile_line *lines = profile_lines(in->profile, id, &n);

	if (a->address != b->address || a->mapping != b->mapping || a->n_lines != b->n_lines ||
		a->is_folded != b->is_folded)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (lines[i].function != k->lines[i].function ||
			lines[i].line != k->lines[i].line || lines[i].column != k->lines[i].column)
			return false;
	return true;
}

static bool stack_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct interner *in = ctx;
	const struct span_key *k = key;
	uint32_t n;
	const uint32_t *locations = profile_stack(in->profile, id, &n);

	return n == k->n && (!n || !memcmp(locations, k->data, n * sizeof(*locations)));
}

static bool label_set_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct interner *in = ctx;
	const struct span_key *k = key;
	const struct profile_label *b = k->data;
	uint32_t n;
	const struct profile_label *a = profile_label_set(in->profile, id, &n);

	if (n != k->n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (a[i].key != b[i].key || a[i].str != b[i].str ||
			a[i].num_unit != b[i].num_unit || a[i].num != b[i].num)
			return false;
	return true;
}

static bool sample_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct interner *in = ctx;
	const struct sample_key *k = key;

	return *ARRAY_AT(&in->profile->sample_stacks, uint32_t, id) == k->stack &&
	       *ARRAY_AT(&in->profile->sample_labels, uint32_t, id) == k->labels;
}

static uint64_t interner_hash_of(const void *ctx, uint32_t id)
{
	const struct interner *in = ctx;

	return *ARRAY_AT(&in->hashes, uint64_t, id);
}

static void interner_init(struct interner *in, const struct profile *p, table_equal_fn equal)
{
	in->profile = p;
	in->hashes = (struct array)ARRAY_INIT(uint64_t, UINT32_MAX - 1);
	table_init(&in->table, UINT32_MAX - 1, interner_hash_of, equal, in);
}

static void interner_deinit(struct interner *in)
{
	table_deinit(&in->table);
	array_deinit(&in->hashes);
}

/* The element is the next of its column. With `unique` it is known not to be there. */
static int interner_add(struct interner *in, uint64_t hash, const void *key, bool unique)
{
	uint32_t id = (uint32_t)in->hashes.n;
	uint64_t *h = array_push(&in->hashes);

	if (!h)
		return -ENOMEM;
	*h = hash;
	/* Columns of foreign files may hold equal elements; the first one is found. */
	if (!unique && table_find(&in->table, hash, key) != TABLE_NONE)
		return 0;
	int r = table_add(&in->table, hash, id);
	if (r < 0)
		in->hashes.n--;
	return r;
}

static void index_free(struct profile_index *x)
{
	if (!x)
		return;
	interner_deinit(&x->samples);
	interner_deinit(&x->label_sets);
	interner_deinit(&x->stacks);
	interner_deinit(&x->locations);
	interner_deinit(&x->functions);
	free(x);
}
DEFINE_CLEANUP(struct profile_index *, index_free)

void profile_index_drop(struct profile *p)
{
	index_free(TAKE_PTR(p->index));
}

static int index_learn(struct profile_index *x, const struct profile *p)
{
	int r = 0;

	ARRAY_EACH(&p->functions, struct profile_function, f)
	{
		r = interner_add(&x->functions, hash_function(f), f, false);
		if (r < 0)
			return r;
	}
	ARRAY_EACH(&p->locations, struct profile_location, l)
	{
		uint32_t n, id = (uint32_t)x->locations.hashes.n;
		struct location_key k = { .location = *l, .lines = profile_lines(p, id, &n) };

		r = interner_add(&x->locations, hash_location(&k), &k, false);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < p->stacks.n; i++) {
		struct span_key k;

		k.data = profile_stack(p, (uint32_t)i, &k.n);
		r = interner_add(&x->stacks, hash_stack(k.data, k.n), &k, false);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < p->label_sets.n; i++) {
		struct span_key k;

		k.data = profile_label_set(p, (uint32_t)i, &k.n);
		r = interner_add(&x->label_sets, hash_labels(k.data, k.n), &k, false);
		if (r < 0)
			return r;
	}
	return 0;
}

static int index_ensure(struct profile *p)
{
	if (p->index)
		return 0;
	CLEANUP(index_freep) struct profile_index *x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	interner_init(&x->functions, p, function_equal);
	interner_init(&x->locations, p, location_equal);
	interner_init(&x->stacks, p, stack_equal);
	interner_init(&x->label_sets, p, label_set_equal);
	interner_init(&x->samples, p, sample_equal);
	int r = index_learn(x, p);
	if (r < 0)
		return r;
	p->index = TAKE_PTR(x);
	return 0;
}

static bool string_ok(const struct profile *p, uint32_t string)
{
	return string < p->strings.spans.n;
}

int profile_add_function(struct profile *p, const struct profile_function *f, uint32_t *ret)
{
	if (!string_ok(p, f->name) || !string_ok(p, f->system_name) || !string_ok(p, f->file))
		return -EINVAL;
	int r = index_ensure(p);
	if (r < 0)
		return r;
	uint64_t hash = hash_function(f);
	uint32_t id = table_find(&p->index->functions.table, hash, f);
	if (id == TABLE_NONE) {
		id = (uint32_t)p->functions.n;
		if (p->functions.n >= p->functions.max)
			return -E2BIG;
		struct profile_function *new = array_push(&p->functions);
		if (!new)
			return -ENOMEM;
		*new = *f;
		r = interner_add(&p->index->functions, hash, f, true);
		if (r < 0) {
			p->functions.n--;
			return r;
		}
	}
	*ret = id;
	return 0;
}

static int append_lines(struct profile *p, const struct profile_line *lines, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (p->lines.n >= p->lines.max)
			return -E2BIG;
		struct profile_line *line = array_push(&p->lines);
		if (!line)
			return -ENOMEM;
		*line = lines[i];
	}
	return 0;
}

int profile_add_location(struct profile *p, uint64_t address, uint32_t mapping,
	const struct profile_line *lines, uint32_t n_lines, bool is_folded, uint32_t *ret)
{
	struct location_key k = {
		.location = { .address = address,
			.mapping = mapping,
			.first_line = (uint32_t)p->lines.n,
			.n_lines = n_lines,
			.is_folded = is_folded },
		.lines = lines,
	};

	if (mapping != PROFILE_NONE && mapping >= p->mappings.n)
		return -EINVAL;
	for (uint32_t i = 0; i < n_lines; i++)
		if (lines[i].function >= p->functions.n)
			return -EINVAL;
	int r = index_ensure(p);
	if (r < 0)
		return r;
	uint64_t hash = hash_location(&k);
	uint32_t id = table_find(&p->index->locations.table, hash, &k);
	if (id == TABLE_NONE) {
		id = (uint32_t)p->locations.n;
		if (p->locations.n >= p->locations.max)
			return -E2BIG;
		r = append_lines(p, lines, n_lines);
		if (r >= 0) {
			struct profile_location *new = array_push(&p->locations);
			r = new ? 0 : -ENOMEM;
			if (new)
				*new = k.location;
		}
		if (r >= 0) {
			r = interner_add(&p->index->locations, hash, &k, true);
			if (r < 0)
				p->locations.n--;
		}
		if (r < 0) {
			p->lines.n = k.location.first_line;
			return r;
		}
	}
	*ret = id;
	return 0;
}

/* A span {first, n} of `items` in `column`, listed in `spans`, found by `in`. */
static int intern_span(struct interner *in, struct array *spans, struct array *column,
	const struct span_key *k, uint64_t hash, uint32_t *ret)
{
	uint32_t id = table_find(&in->table, hash, k);

	if (id != TABLE_NONE) {
		*ret = id;
		return 0;
	}
	size_t first = column->n;
	if (spans->n >= spans->max)
		return -E2BIG;
	int r = array_resize(column, first + k->n);
	if (r < 0)
		return r;
	memcpy((char *)column->data + first * column->size, k->data, k->n * column->size);
	id = (uint32_t)spans->n;
	struct profile_span *span = array_push(spans);
	if (!span) {
		column->n = first;
		return -ENOMEM;
	}
	*span = (struct profile_span){ .first = first, .n = k->n };
	r = interner_add(in, hash, k, true);
	if (r < 0) {
		spans->n--;
		column->n = first;
		return r;
	}
	*ret = id;
	return 0;
}

int profile_intern_stack(struct profile *p, const uint32_t *locations, uint32_t n, uint32_t *ret)
{
	struct span_key k = { .data = locations, .n = n };
	int r = index_ensure(p);

	if (r < 0)
		return r;
	if (!n) {
		*ret = 0;
		return 0;
	}
	return intern_span(&p->index->stacks, &p->stacks, &p->stack_locations, &k,
		hash_stack(locations, n), ret);
}

int profile_intern_label_set(
	struct profile *p, const struct profile_label *labels, uint32_t n, uint32_t *ret)
{
	struct span_key k = { .data = labels, .n = n };
	int r = index_ensure(p);

	if (r < 0)
		return r;
	if (!n) {
		*ret = 0;
		return 0;
	}
	return intern_span(
		&p->index->label_sets, &p->label_sets, &p->labels, &k, hash_labels(labels, n), ret);
}

int profile_add_stack(struct profile *p, const uint32_t *locations, uint32_t n, uint32_t *ret)
{
	for (uint32_t i = 0; i < n; i++)
		if (locations[i] >= p->locations.n)
			return -EINVAL;
	return profile_intern_stack(p, locations, n, ret);
}

int profile_add_label_set(
	struct profile *p, const struct profile_label *labels, uint32_t n, uint32_t *ret)
{
	for (uint32_t i = 0; i < n; i++)
		if (!string_ok(p, labels[i].key) || !string_ok(p, labels[i].str) ||
			!string_ok(p, labels[i].num_unit))
			return -EINVAL;
	return profile_intern_label_set(p, labels, n, ret);
}

static int index_samples(struct profile *p)
{
	int r = index_ensure(p);

	if (r < 0 || p->index->has_samples)
		return r;
	for (size_t i = p->index->samples.hashes.n; i < p->sample_stacks.n; i++) {
		struct sample_key k = { *ARRAY_AT(&p->sample_stacks, uint32_t, i),
			*ARRAY_AT(&p->sample_labels, uint32_t, i) };
		r = interner_add(&p->index->samples, hash_sample(&k), &k, false);
		if (r < 0)
			return r;
	}
	p->index->has_samples = true;
	return 0;
}

static int append_sample(
	struct profile *p, uint32_t stack, uint32_t label_set, const int64_t *values)
{
	size_t n = p->sample_stacks.n;

	if (n >= p->sample_stacks.max)
		return -E2BIG;
	int r = array_resize(&p->values, (n + 1) * p->n_types);
	if (r < 0)
		return r;
	uint32_t *s = array_push(&p->sample_stacks);
	uint32_t *l = s ? array_push(&p->sample_labels) : NULL;
	if (!l) {
		p->sample_stacks.n = n;
		p->values.n = n * p->n_types;
		return -ENOMEM;
	}
	*s = stack;
	*l = label_set;
	if (p->n_types)
		memcpy(ARRAY_AT(&p->values, int64_t, n * p->n_types), values,
			p->n_types * sizeof(*values));
	return 0;
}

int profile_add_sample(
	struct profile *p, uint32_t stack, uint32_t label_set, const int64_t *values, bool merge)
{
	struct sample_key k = { stack, label_set };

	if (stack >= p->stacks.n || label_set >= p->label_sets.n)
		return -EINVAL;
	if (merge) {
		int r = index_samples(p);
		if (r < 0)
			return r;
	}
	if (!p->index || !p->index->has_samples)
		return append_sample(p, stack, label_set, values);

	uint64_t hash = hash_sample(&k);
	uint32_t id = merge ? table_find(&p->index->samples.table, hash, &k) : TABLE_NONE;
	if (id != TABLE_NONE) {
		int64_t *sum = ARRAY_AT(&p->values, int64_t, (size_t)id * p->n_types);
		for (uint32_t i = 0; i < p->n_types; i++)
			if (__builtin_add_overflow(sum[i], values[i], &sum[i]))
				sum[i] = values[i] < 0 ? INT64_MIN : INT64_MAX;
		return 0;
	}
	int r = append_sample(p, stack, label_set, values);
	if (r < 0)
		return r;
	r = interner_add(&p->index->samples, hash, &k, merge);
	if (r < 0) {
		p->sample_stacks.n--;
		p->sample_labels.n--;
		p->values.n -= p->n_types;
	}
	return r;
}

static uint64_t interner_bytes(const struct interner *in)
{
	return table_bytes(&in->table) + array_bytes(&in->hashes);
}

uint64_t profile_bytes(const struct profile *p)
{
	uint64_t n = strings_bytes(&p->strings) + array_bytes(&p->comments) +
		     array_bytes(&p->mappings) + array_bytes(&p->functions) +
		     array_bytes(&p->lines) + array_bytes(&p->locations) + array_bytes(&p->stacks) +
		     array_bytes(&p->stack_locations) + array_bytes(&p->label_sets) +
		     array_bytes(&p->labels) + array_bytes(&p->sample_stacks) +
		     array_bytes(&p->sample_labels) + array_bytes(&p->values);

	if (p->index)
		n += interner_bytes(&p->index->functions) + interner_bytes(&p->index->locations) +
		     interner_bytes(&p->index->stacks) + interner_bytes(&p->index->label_sets) +
		     interner_bytes(&p->index->samples);
	return n;
}
