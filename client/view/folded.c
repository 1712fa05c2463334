/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the folded format, `root;...;leaf N`, as stackcollapse-perf.pl writes and flamegraph.pl
 * reads it (github.com/brendangregg/FlameGraph): suffix _[k] for kernel frames, _[i] for inlined
 * ones. A semicolon inside of a name becomes a colon. Samples that differ in labels or addresses
 * only are added up; lines are sorted by frame, so that two files can be compared.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "view/frame.h"
#include "view/unit.h"
#include "view/view.h"

/* Names are strings, stacks are of string numbers, root first, and samples are the sums. */
struct folded {
	const struct profile *in;
	struct profile *out;	 /* owned; a profile whose "locations" are names */
	struct array line_names; /* uint32_t by line of `in` */
	struct array names;	 /* uint32_t by location without lines */
	struct array stack;	 /* uint32_t: the one at hand */
};

static void folded_deinit(struct folded *f)
{
	array_deinit(&f->stack);
	array_deinit(&f->names);
	array_deinit(&f->line_names);
	(void)profile_free(f->out);
}

/* Made safe here, once a name, and not where it is written, once a frame. */
static int intern_name(struct folded *f, const char *name, const char *suffix, uint32_t *ret)
{
	_cleanup_free_ char *safe = frame_safe(name, ';'), *text = NULL;

	if (!safe)
		return -ENOMEM;
	if (asprintf(&text, "%s%s", safe, suffix) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return profile_add_string(f->out, text, ret);
}

static int name_module(struct folded *f, const char *module, const char *suffix, uint32_t *ret)
{
	_cleanup_free_ char *text = NULL;
	const char *base = *module ? frame_basename(module) : "unknown";

	if (asprintf(&text, *base == '[' ? "%s" : "[%s]", base) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return intern_name(f, text, suffix, ret);
}

static int name_location(struct folded *f, uint32_t location)
{
	const struct profile *p = f->in;
	const struct profile_location *l =
		ARRAY_AT(&p->locations, struct profile_location, location);
	const char *module = frame_module(p, l->mapping);
	bool kernel = frame_is_kernel(module);
	uint32_t n;
	const struct profile_line *lines = profile_lines(p, location, &n);
	int r = 0;

	if (!n)
		return name_module(
			f, module, kernel ? "_[k]" : "", ARRAY_AT(&f->names, uint32_t, location));
	for (uint32_t i = 0; i < n && r >= 0; i++) {
		const struct profile_function *fn =
			ARRAY_AT(&p->functions, struct profile_function, lines[i].function);
		_cleanup_free_ char *owned = NULL;
		const char *name = frame_whole_name(p, fn, &owned);
		const char *suffix = kernel ? "_[k]" : i + 1 < n ? "_[i]" : "";
		uint32_t *ret = ARRAY_AT(&f->line_names, uint32_t, l->first_line + i);
		r = *name ? intern_name(f, name, suffix, ret) : name_module(f, module, suffix, ret);
	}
	return r;
}

static int push_name(struct folded *f, uint32_t name)
{
	uint32_t *slot = array_push(&f->stack);

	if (!slot)
		return -ENOMEM;
	*slot = name;
	return 0;
}

static int fold_stack(struct folded *f, uint32_t stack, int64_t value)
{
	const struct profile *p = f->in;
	uint32_t n, n_lines, folded;
	const uint32_t *locations = profile_stack(p, stack, &n);
	int r = 0;

	f->stack.n = 0;
	for (uint32_t i = n; i-- > 0 && r >= 0;) {
		const struct profile_location *l =
			ARRAY_AT(&p->locations, struct profile_location, locations[i]);
		(void)profile_lines(p, locations[i], &n_lines);
		if (!n_lines)
			r = push_name(f, *ARRAY_AT(&f->names, uint32_t, locations[i]));
		for (uint32_t k = n_lines; k-- > 0 && r >= 0;)
			r = push_name(f, *ARRAY_AT(&f->line_names, uint32_t, l->first_line + k));
	}
	if (r >= 0)
		r = profile_intern_stack(f->out, f->stack.data, (uint32_t)f->stack.n, &folded);
	return r < 0 ? r : profile_add_sample(f->out, folded, 0, &value, true);
}

static int fold(struct folded *f, uint32_t type)
{
	CLEANUP(array_deinit) struct array weights = ARRAY_INIT(int64_t, SIZE_MAX);
	const struct profile *p = f->in;
	int r = array_resize(&weights, p->stacks.n);

	if (r >= 0)
		r = array_resize(&f->line_names, p->lines.n);
	if (r >= 0)
		r = array_resize(&f->names, p->locations.n);
	if (r >= 0)
		r = profile_add_type(f->out, "", "");
	for (size_t i = 0; i < p->locations.n && r >= 0; i++)
		r = name_location(f, (uint32_t)i);
	if (r < 0)
		return r;
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		int64_t *w = ARRAY_AT(&weights, int64_t, *ARRAY_AT(&p->sample_stacks, uint32_t, i));
		*w = unit_add(*w, profile_values(p, i)[type]);
	}
	for (size_t i = 0; i < p->stacks.n && r >= 0; i++) {
		int64_t w = *ARRAY_AT(&weights, int64_t, i);
		r = w ? fold_stack(f, (uint32_t)i, w) : 0;
	}
	return r;
}

static int compare(const void *a, const void *b, void *ctx)
{
	const struct profile *p = ctx;
	uint32_t n, m;
	const uint32_t *x =
		profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, *(const uint32_t *)a), &n);
	const uint32_t *y =
		profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, *(const uint32_t *)b), &m);

	for (uint32_t i = 0; i < MIN(n, m); i++) {
		int c = x[i] == y[i] ? 0 : strcmp(profile_text(p, x[i]), profile_text(p, y[i]));
		if (c)
			return c;
	}
	return n < m ? -1 : n > m;
}

static int write_sorted(struct profile *p, FILE *out)
{
	size_t samples = profile_n_samples(p);
	_cleanup_free_ uint32_t *order = calloc(samples + 1, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < samples; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, samples, sizeof(*order), compare, p);
	for (size_t i = 0; i < samples; i++) {
		uint32_t n;
		const uint32_t *names =
			profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, order[i]), &n);
		if (!n)
			(void)fputs("[no stack]", out);
		for (uint32_t k = 0; k < n; k++) {
			if (k)
				(void)fputc_unlocked(';', out);
			(void)fputs_unlocked(profile_text(p, names[k]), out);
		}
		(void)fprintf(out, " %" PRId64 "\n", *profile_values(p, order[i]));
	}
	return fflush(out) || ferror(out) ? -EIO : 0;
}

int view_folded(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	CLEANUP(folded_deinit)
	struct folded f = {
		.in = p,
		.line_names = ARRAY_INIT(uint32_t, SIZE_MAX),
		.names = ARRAY_INIT(uint32_t, SIZE_MAX),
		.stack = ARRAY_INIT(uint32_t, UINT32_MAX),
	};
	uint32_t type;
	int r = view_sample_index(p, o->sample_index, &type, error);

	if (r < 0)
		return r;
	r = profile_new(&f.out);
	if (r >= 0)
		r = fold(&f, type);
	if (r >= 0)
		r = write_sorted(f.out, out);
	if (r == -EIO)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot fold: %s", strerror(-r)) : 0;
}
