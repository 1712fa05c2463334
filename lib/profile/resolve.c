/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the second half of decoding: when the whole file was read, every reference in the columns is
 * checked and replaced. Nothing here trusts the file; after it, the columns keep the model's
 * promises.
 */
#include <errno.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "profile/decode.h"

static int resolve_string(struct decoder *d, uint32_t *string, const char *where)
{
	if (*string >= d->strings.n)
		return decoder_bad(d, "%s uses string %u of %zu", where, *string, d->strings.n);
	*string = *ARRAY_AT(&d->strings, uint32_t, *string);
	return 0;
}

/* A name of each; 0 and -EBADMSG. */
static int resolve_strings(
	struct decoder *d, uint32_t *const strings[], size_t n, const char *where)
{
	for (size_t i = 0; i < n; i++) {
		int r = resolve_string(d, strings[i], where);
		if (r < 0)
			return r;
	}
	return 0;
}
#define RESOLVE(d, where, ...)                                                 \
	({                                                                     \
		uint32_t *const strings_[] = { __VA_ARGS__ };                  \
		resolve_strings((d), strings_, ARRAY_SIZE(strings_), (where)); \
	})

static int resolve_header(struct decoder *d)
{
	struct profile *p = d->profile;
	int r = RESOLVE(d, "the header", &p->period_type.type, &p->period_type.unit,
		&p->default_sample_type, &p->drop_frames, &p->keep_frames, &p->doc_url);

	for (uint32_t i = 0; i < p->n_types && r >= 0; i++)
		r = RESOLVE(d, "a sample type", &p->types[i].type, &p->types[i].unit);
	for (size_t i = 0; i < p->comments.n && r >= 0; i++)
		r = RESOLVE(d, "a comment", ARRAY_AT(&p->comments, uint32_t, i));
	return r;
}

static int resolve_tables(struct decoder *d)
{
	struct profile *p = d->profile;
	int r = 0;

	ARRAY_EACH(&p->mappings, struct profile_mapping, m) {
		r = RESOLVE(d, "a mapping", &m->file, &m->build_id);
		if (r < 0)
			return r;
	}
	ARRAY_EACH(&p->functions, struct profile_function, f) {
		r = RESOLVE(d, "a function", &f->name, &f->system_name, &f->file);
		if (r < 0)
			return r;
	}
	ARRAY_EACH(&p->labels, struct profile_label, l) {
		r = RESOLVE(d, "a label", &l->key, &l->str, &l->num_unit);
		if (r < 0)
			return r;
	}
	ARRAY_EACH(&p->locations, struct profile_location, l)
		if (l->mapping != PROFILE_NONE)
			l->mapping = idmap_index(&d->mappings, l->mapping);
	ARRAY_EACH(&p->lines, struct profile_line, l)
		l->function = idmap_index(&d->functions, l->function);
	return 0;
}

static int check_ids(struct decoder *d, const struct idmap *m, const char *what)
{
	uint64_t id = idmap_missing(m);

	return id ? decoder_bad(d, "%s %llu is used but not defined", what, (unsigned long long)id)
		  : 0;
}

int decoder_resolve(struct decoder *d)
{
	struct profile *p = d->profile;
	int r;

	if (!d->strings.n)
		return decoder_bad(d, "it has no string table");
	if (profile_n_samples(p) && d->n_values != p->n_types)
		return decoder_bad(d, "samples have %u values, but there are %u sample types",
			d->n_values, p->n_types);
	r = check_ids(d, &d->mappings, "mapping");
	if (r >= 0)
		r = check_ids(d, &d->functions, "function");
	if (r >= 0)
		r = check_ids(d, &d->locations, "location");
	if (r >= 0)
		r = resolve_header(d);
	if (r >= 0)
		r = resolve_tables(d);
	if (r >= 0)
		r = packed_finish(d->stacks, &d->locations.defined);
	return r < 0 ? r : profile_take_packed(p, TAKE_PTR(d->stacks), d->few_frames);
}
