/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the index of what a profile holds already, by content. It is made from the columns when it
 * is first needed, so that a profile that was only read does not pay for it.
 *
 * Invariant: hashes[i] of an interner belongs to element i of its column; elements enter column and
 * interner together. Content comes from targets, so the hashes are seeded.
 */
#include "profile/index.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	return hash_u64(v, h);
}

/* Field by field: the structs have padding. */
uint64_t hash_function(const struct profile_function *f)
{
	uint64_t h = mix(hash_seed(), (uint64_t)f->name << 32 | f->system_name);
	return mix(mix(h, f->file), (uint64_t)f->start_line);
}

uint64_t hash_location(const struct location_key *k)
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

uint64_t hash_labels(const struct profile_label *labels, uint32_t n)
{
	uint64_t h = mix(hash_seed(), n);

	for (uint32_t i = 0; i < n; i++) {
		h = mix(h, (uint64_t)labels[i].key << 32 | labels[i].str);
		h = mix(mix(h, labels[i].num_unit), (uint64_t)labels[i].num);
	}
	return h;
}

uint64_t hash_stack(const uint32_t *locations, uint32_t n)
{
	return hash_bytes(locations, (size_t)n * sizeof(*locations), hash_seed());
}

uint64_t hash_sample(const struct sample_key *k)
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
int interner_add(struct interner *in, uint64_t hash, const void *key, bool unique)
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

void index_drop(struct profile *p)
{
	index_free(TAKE_PTR(p->index));
}

void profile_index_drop(struct profile *p)
{
	index_drop(p);
	profile_lay_out(p);
}

static int index_learn(struct profile_index *x, const struct profile *p)
{
	int r = 0;

	ARRAY_EACH(&p->functions, struct profile_function, f) {
		r = interner_add(&x->functions, hash_function(f), f, false);
		if (r < 0)
			return r;
	}
	ARRAY_EACH(&p->locations, struct profile_location, l) {
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

int index_ensure(struct profile *p)
{
	if (p->index)
		return 0;
	profile_lay_out(p);
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

int index_samples(struct profile *p)
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

static uint64_t interner_bytes(const struct interner *in)
{
	return table_bytes(&in->table) + array_bytes(&in->hashes);
}

uint64_t profile_index_bytes(const struct profile_index *x)
{
	if (!x)
		return 0;
	return interner_bytes(&x->functions) + interner_bytes(&x->locations) +
	       interner_bytes(&x->stacks) + interner_bytes(&x->label_sets) +
	       interner_bytes(&x->samples);
}
