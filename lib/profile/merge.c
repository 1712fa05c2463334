/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns adding profiles up. Only what samples use is taken over, so memory is that of the sum and of
 * the one profile at hand. Trusts the models' indices; values saturate.
 */
#include "profile/merge.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "profile/index.h"

#define MAPPING_ROUNDING 4096U

/* From numbers of `from` to those of `into`; PROFILE_NONE: not taken over yet. */
struct merger {
	struct profile *into;
	const struct profile *from;
	uint32_t *strings, *mappings, *functions, *locations, *stacks, *sets; /* owned */
	struct table mapping_index;					      /* of `into` */
	struct array lines, frames, labels;				      /* the one at hand */
};

static void merger_deinit(struct merger *m)
{
	table_deinit(&m->mapping_index);
	free(m->strings);
	free(m->mappings);
	free(m->functions);
	free(m->locations);
	free(m->stacks);
	free(m->sets);
	array_deinit(&m->lines);
	array_deinit(&m->frames);
	array_deinit(&m->labels);
}

static uint32_t *new_map(size_t n)
{
	uint32_t *map = malloc((n + 1) * sizeof(*map));

	if (map)
		memset(map, 0xff, (n + 1) * sizeof(*map));
	return map;
}

static int map_string(struct merger *m, uint32_t string, uint32_t *ret)
{
	uint32_t *to = &m->strings[string];
	size_t n;

	if (*to == PROFILE_NONE) {
		const char *text = strings_get(&m->from->strings, string, &n);
		int r = strings_intern(&m->into->strings, text, n, to);
		if (r < 0)
			return r;
	}
	*ret = *to;
	return 0;
}

static uint64_t rounded_size(const struct profile_mapping *m)
{
	uint64_t size = m->limit - m->start + MAPPING_ROUNDING - 1;

	return size - size % MAPPING_ROUNDING;
}

/* Mappings of one key are the same file, perhaps at other addresses. */
static uint32_t identity(const struct profile_mapping *m)
{
	return m->build_id ? m->build_id : m->file;
}

static uint64_t hash_mapping(const struct profile_mapping *m)
{
	return hash_u64(identity(m), hash_u64(m->offset, hash_u64(rounded_size(m), hash_seed())));
}

static const struct profile_mapping *mapping_at(const struct profile *p, uint32_t mapping)
{
	return ARRAY_AT(&p->mappings, struct profile_mapping, mapping);
}

static uint64_t hash_of_mapping(const void *ctx, uint32_t mapping)
{
	return hash_mapping(mapping_at(ctx, mapping));
}

static bool mapping_equal(const void *ctx, uint32_t mapping, const void *key)
{
	const struct profile_mapping *a = mapping_at(ctx, mapping), *b = key;

	return rounded_size(a) == rounded_size(b) && a->offset == b->offset &&
	       identity(a) == identity(b);
}

static void index_mappings(struct table *t, const struct profile *p)
{
	table_init(t, PROFILE_NONE - 1, hash_of_mapping, mapping_equal, p);
}

/* The first that is the same, which is `mapping` itself where there was none. 0, -ENOMEM. */
static int first_mapping(struct table *t, const struct profile *p, uint32_t mapping, uint32_t *ret)
{
	const struct profile_mapping *m = mapping_at(p, mapping);
	uint64_t hash = hash_mapping(m);

	*ret = table_find(t, hash, m);
	if (*ret != TABLE_NONE)
		return 0;
	*ret = mapping;
	return table_add(t, hash, mapping);
}

static int merger_init(struct merger *m, struct profile *into, const struct profile *from)
{
	*m = (struct merger){
		.into = into,
		.from = from,
		.strings = new_map(from->strings.spans.n),
		.mappings = new_map(from->mappings.n),
		.functions = new_map(from->functions.n),
		.locations = new_map(from->locations.n),
		.stacks = new_map(from->stacks.n),
		.sets = new_map(from->label_sets.n),
		.lines = ARRAY_INIT(struct profile_line, UINT32_MAX),
		.frames = ARRAY_INIT(uint32_t, UINT32_MAX),
		.labels = ARRAY_INIT(struct profile_label, UINT32_MAX),
	};
	if (!m->strings || !m->mappings || !m->functions || !m->locations || !m->stacks || !m->sets)
		return -ENOMEM;
	index_mappings(&m->mapping_index, into);
	for (uint32_t i = 0, first; i < into->mappings.n; i++) {
		int r = first_mapping(&m->mapping_index, into, i, &first);
		if (r < 0)
			return r;
	}
	return 0;
}

static int map_mapping(struct merger *m, uint32_t mapping, uint32_t *ret)
{
	uint32_t *to = &m->mappings[mapping];
	struct profile_mapping new = *mapping_at(m->from, mapping);
	int r;

	if (*to != PROFILE_NONE) {
		*ret = *to;
		return 0;
	}
	r = map_string(m, new.file, &new.file);
	if (r >= 0)
		r = map_string(m, new.build_id, &new.build_id);
	if (r >= 0)
		*to = table_find(&m->mapping_index, hash_mapping(&new), &new);
	if (r >= 0 && *to == TABLE_NONE) {
		r = profile_add_mapping(m->into, &new, to);
		if (r >= 0)
			r = table_add(&m->mapping_index, hash_mapping(&new), *to);
	}
	*ret = *to;
	return r;
}

static int map_function(struct merger *m, uint32_t function, uint32_t *ret)
{
	uint32_t *to = &m->functions[function];
	struct profile_function new =
		*ARRAY_AT(&m->from->functions, struct profile_function, function);
	int r = 0;

	if (*to == PROFILE_NONE) {
		r = map_string(m, new.name, &new.name);
		if (r >= 0)
			r = map_string(m, new.system_name, &new.system_name);
		if (r >= 0)
			r = map_string(m, new.file, &new.file);
		if (r >= 0)
			r = profile_add_function(m->into, &new, to);
	}
	*ret = *to;
	return r;
}

static int map_lines(struct merger *m, uint32_t location)
{
	uint32_t n;
	const struct profile_line *lines = profile_lines(m->from, location, &n);
	int r = array_resize(&m->lines, n);

	for (uint32_t i = 0; i < n && r >= 0; i++) {
		struct profile_line *line = ARRAY_AT(&m->lines, struct profile_line, i);
		*line = lines[i];
		r = map_function(m, lines[i].function, &line->function);
	}
	return r;
}

static int map_location(struct merger *m, uint32_t location, uint32_t *ret)
{
	uint32_t *to = &m->locations[location];
	struct profile_location l =
		*ARRAY_AT(&m->from->locations, struct profile_location, location);
	int r;

	if (*to != PROFILE_NONE) {
		*ret = *to;
		return 0;
	}
	if (l.mapping != PROFILE_NONE) {
		const struct profile_mapping *from = mapping_at(m->from, l.mapping);
		r = map_mapping(m, l.mapping, &l.mapping);
		if (r < 0)
			return r;
		l.address +=
			ARRAY_AT(&m->into->mappings, struct profile_mapping, l.mapping)->start -
			from->start;
	}
	r = map_lines(m, location);
	if (r >= 0)
		r = profile_add_location(m->into, l.address, l.mapping, m->lines.data,
			(uint32_t)m->lines.n, l.is_folded, to);
	*ret = *to;
	return r;
}

static int map_stack(struct merger *m, uint32_t stack, uint32_t *ret)
{
	uint32_t n, *to = &m->stacks[stack];
	const uint32_t *locations = profile_stack(m->from, stack, &n);
	int r = 0;

	if (*to == PROFILE_NONE) {
		r = array_resize(&m->frames, n);
		for (uint32_t i = 0; i < n && r >= 0; i++)
			r = map_location(m, locations[i], ARRAY_AT(&m->frames, uint32_t, i));
		if (r >= 0)
			r = profile_intern_stack(m->into, m->frames.data, n, to);
	}
	*ret = *to;
	return r;
}

static int map_labels(struct merger *m, uint32_t set, uint32_t *ret)
{
	uint32_t n, *to = &m->sets[set];
	const struct profile_label *labels = profile_label_set(m->from, set, &n);
	int r = 0;

	if (*to == PROFILE_NONE) {
		r = array_resize(&m->labels, n);
		for (uint32_t i = 0; i < n && r >= 0; i++) {
			struct profile_label *l = ARRAY_AT(&m->labels, struct profile_label, i);
			*l = labels[i];
			r = map_string(m, labels[i].key, &l->key);
			if (r >= 0)
				r = map_string(m, labels[i].str, &l->str);
			if (r >= 0)
				r = map_string(m, labels[i].num_unit, &l->num_unit);
		}
		if (r >= 0)
			r = profile_intern_label_set(m->into, m->labels.data, n, to);
	}
	*ret = *to;
	return r;
}

static bool is_zero(const int64_t *values, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (values[i])
			return false;
	return true;
}

static int merge_samples(struct merger *m)
{
	const struct profile *from = m->from;
	uint32_t mapping, stack, labels;
	/* The first mapping is the program's. */
	int r = from->mappings.n && !m->into->mappings.n ? map_mapping(m, 0, &mapping) : 0;

	for (size_t i = 0; i < profile_n_samples(from) && r >= 0; i++) {
		const int64_t *values = profile_values(from, i);
		if (is_zero(values, from->n_types))
			continue;
		r = map_stack(m, *ARRAY_AT(&from->sample_stacks, uint32_t, i), &stack);
		if (r >= 0)
			r = map_labels(m, *ARRAY_AT(&from->sample_labels, uint32_t, i), &labels);
		if (r >= 0)
			r = profile_add_sample(m->into, stack, labels, values, true);
	}
	return r;
}

static bool same_type(const struct profile *p, const struct profile_value_type *a,
	const struct profile *q, const struct profile_value_type *b)
{
	return !strcmp(profile_text(p, a->type), profile_text(q, b->type)) &&
	       !strcmp(profile_text(p, a->unit), profile_text(q, b->unit));
}

static int refuse(const struct profile *p, const struct profile_value_type *a,
	const struct profile *q, const struct profile_value_type *b, struct error *error)
{
	return error_set(error, -EINVAL, EXIT_CODE_FAILED,
		"the profiles measure different things: %.60s/%.60s and %.60s/%.60s",
		profile_text(p, a->type), profile_text(p, a->unit), profile_text(q, b->type),
		profile_text(q, b->unit));
}

static int check(const struct profile *p, const struct profile *q, struct error *error)
{
	if (!same_type(p, &p->period_type, q, &q->period_type))
		return refuse(p, &p->period_type, q, &q->period_type, error);
	if (p->n_types != q->n_types)
		return error_set(error, -EINVAL, EXIT_CODE_FAILED,
			"the profiles measure different things: %u and %u values a sample",
			p->n_types, q->n_types);
	for (uint32_t i = 0; i < p->n_types; i++)
		if (!same_type(p, &p->types[i], q, &q->types[i]))
			return refuse(p, &p->types[i], q, &q->types[i], error);
	return 0;
}

/* Of the first profile. */
static int take_head(struct merger *m)
{
	struct profile *to = m->into;
	const struct profile *from = m->from;
	const uint32_t strings[] = { from->drop_frames, from->keep_frames, from->doc_url,
		from->period_type.type, from->period_type.unit };
	uint32_t *const slots[] = { &to->drop_frames, &to->keep_frames, &to->doc_url,
		&to->period_type.type, &to->period_type.unit };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(slots) && r >= 0; i++)
		r = map_string(m, strings[i], slots[i]);
	for (uint32_t i = 0; i < from->n_types && r >= 0; i++)
		r = profile_add_type(to, profile_text(from, from->types[i].type),
			profile_text(from, from->types[i].unit));
	to->period = from->period;
	to->time_nanos = from->time_nanos;
	return r;
}

static int add_comment(struct merger *m, uint32_t comment)
{
	uint32_t string, *slot;
	int r = map_string(m, comment, &string);

	if (r < 0)
		return r;
	ARRAY_EACH(&m->into->comments, uint32_t, c) {
		if (*c == string)
			return 0;
	}
	slot = array_push(&m->into->comments);
	if (!slot)
		return -ENOMEM;
	*slot = string;
	return 0;
}

static int merge_head(struct merger *m, bool first)
{
	struct profile *to = m->into;
	const struct profile *from = m->from;
	int r = first ? take_head(m) : 0;

	if (!to->time_nanos || from->time_nanos < to->time_nanos)
		to->time_nanos = from->time_nanos;
	if (__builtin_add_overflow(to->duration_nanos, from->duration_nanos, &to->duration_nanos))
		to->duration_nanos = INT64_MAX;
	to->period = to->period ? MAX(to->period, from->period) : from->period;
	if (!to->default_sample_type && r >= 0)
		r = map_string(m, from->default_sample_type, &to->default_sample_type);
	ARRAY_EACH(&from->comments, uint32_t, c) {
		if (r >= 0)
			r = add_comment(m, *c);
	}
	return r;
}

int profile_merge(struct profile *into, const struct profile *from, struct error *error)
{
	CLEANUP(merger_deinit) struct merger m = { 0 };
	bool first = !into->n_types;
	int r = first ? 0 : check(into, from, error);

	if (r >= 0)
		r = merger_init(&m, into, from);
	if (r >= 0)
		r = merge_head(&m, first);
	return r < 0 ? r : merge_samples(&m);
}

void profile_drop_zeros(struct profile *p)
{
	size_t n = 0;

	index_drop(p);
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		if (is_zero(profile_values(p, i), p->n_types))
			continue;
		*ARRAY_AT(&p->sample_stacks, uint32_t, n) =
			*ARRAY_AT(&p->sample_stacks, uint32_t, i);
		*ARRAY_AT(&p->sample_labels, uint32_t, n) =
			*ARRAY_AT(&p->sample_labels, uint32_t, i);
		memmove(ARRAY_AT(&p->values, int64_t, n * p->n_types), profile_values(p, i),
			p->n_types * sizeof(int64_t));
		n++;
	}
	p->sample_stacks.n = p->sample_labels.n = n;
	p->values.n = n * p->n_types;
}

/* Of the locations of a stack, in order; *seen: by location. */
static int unify_stack(struct profile *p, uint32_t stack, struct table *t, uint8_t *seen)
{
	uint32_t n, first;
	const uint32_t *locations = profile_stack(p, stack, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct profile_location *l =
			ARRAY_AT(&p->locations, struct profile_location, locations[i]);
		if (seen[locations[i]] || l->mapping == PROFILE_NONE)
			continue;
		seen[locations[i]] = 1;
		int r = first_mapping(t, p, l->mapping, &first);
		if (r < 0)
			return r;
		l->address += mapping_at(p, first)->start - mapping_at(p, l->mapping)->start;
		l->mapping = first;
	}
	return 0;
}

/* Whether any two mappings are the same. */
static int has_twins(const struct profile *p, bool *ret)
{
	CLEANUP(table_deinit) struct table t;
	int r = 0;

	*ret = false;
	index_mappings(&t, p);
	for (uint32_t i = 0, first; i < p->mappings.n && r >= 0 && !*ret; i++) {
		r = first_mapping(&t, p, i, &first);
		*ret = first != i;
	}
	return r;
}

int profile_unify_mappings(struct profile *p)
{
	_cleanup_free_ uint8_t *seen = NULL;
	CLEANUP(table_deinit) struct table t;
	uint32_t first;
	bool twins;
	int r = has_twins(p, &twins);

	index_mappings(&t, p);
	if (r < 0 || !twins)
		return r;
	index_drop(p);
	seen = calloc(p->locations.n + 1, 1);
	r = seen ? first_mapping(&t, p, 0, &first) : -ENOMEM;
	for (size_t i = 0; i < profile_n_samples(p) && r >= 0; i++)
		if (!is_zero(profile_values(p, i), p->n_types))
			r = unify_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, i), &t, seen);
	return r;
}
