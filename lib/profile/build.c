/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns adding to a profile: equal functions, locations, stacks, label sets and (on demand) samples
 * are kept once. On failure nothing was added.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "profile/index.h"
#include "profile/packed.h"
#include "profile/profile.h"

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

/* Memory for n elements, none of it touched yet. */
static int set_aside(struct array *a, uint64_t n)
{
	if (n > a->max)
		return -E2BIG;
	void *data = calloc((size_t)n, a->size);
	if (!data)
		return -ENOMEM;
	array_deinit(a);
	a->data = data;
	a->allocated = (size_t)n;
	return 0;
}

int profile_take_packed(struct profile *p, struct packed *k, uint64_t few_frames)
{
	p->packed = k;
	int r = set_aside(&p->stacks, packed_n(k));
	if (r >= 0)
		r = set_aside(&p->stack_locations, packed_frames(k) + 1);
	if (r < 0)
		return r;
	p->stacks.n = packed_n(k);
	if (packed_frames(k) <= few_frames)
		profile_lay_out(p);
	return 0;
}

void profile_lay_out(struct profile *p)
{
	uint32_t *locations = p->stack_locations.data;

	if (!p->packed)
		return;
	p->stack_locations.n = 0;
	for (uint32_t i = 0; i < p->stacks.n; i++) {
		struct profile_span *span = ARRAY_AT(&p->stacks, struct profile_span, i);
		const uint32_t *stack = packed_stack(p->packed, i, &span->n);
		span->first = p->stack_locations.n;
		if (span->n)
			memcpy(locations + span->first, stack, span->n * sizeof(*stack));
		p->stack_locations.n += span->n;
	}
	p->packed = packed_free(p->packed);
}

uint64_t profile_bytes(const struct profile *p)
{
	uint64_t n = strings_bytes(&p->strings) + array_bytes(&p->comments) +
		     array_bytes(&p->mappings) + array_bytes(&p->functions) +
		     array_bytes(&p->lines) + array_bytes(&p->locations) + array_bytes(&p->stacks) +
		     array_bytes(&p->stack_locations) + array_bytes(&p->label_sets) +
		     array_bytes(&p->labels) + array_bytes(&p->sample_stacks) +
		     array_bytes(&p->sample_labels) + array_bytes(&p->values);

	return n + profile_index_bytes(p->index);
}
