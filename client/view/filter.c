/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the filters leave. Expressions are matched once a function and mapping, stacks are
 * changed in place and once, however many samples share them.
 */
#include "view/filter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "view/expression.h"
#include "view/frame.h"
#include "view/prune.h"

enum by_name { FOCUS, IGNORE, HIDE, SHOW, SHOW_FROM, BY_NAME_COUNT };

static const char *const names[] = { "--focus", "--ignore", "--hide", "--show", "--show-from" };

/* Of a location. */
enum { FOCUSED = 1, IGNORED = 2, HIDDEN = 4, BEGIN = 8 };

struct filtering {
	struct profile *p;
	struct expression *e[BY_NAME_COUNT];  /* owned, NULL: none */
	uint8_t *functions, *mappings;	      /* owned: bit 1 << enum by_name: it matches */
	uint8_t *locations;		      /* owned */
	uint8_t *stacks;		      /* owned: 1: its samples stay */
	uint8_t *focused_sets, *ignored_sets; /* owned; NULL: no such filter */
	bool matched[BY_NAME_COUNT];
};

static void filtering_deinit(struct filtering *f)
{
	for (size_t i = 0; i < BY_NAME_COUNT; i++)
		(void)expression_free(f->e[i]);
	free(f->functions);
	free(f->mappings);
	free(f->locations);
	free(f->stacks);
	free(f->focused_sets);
	free(f->ignored_sets);
}

static const char *const *filter_texts(const struct filter *f, const char *ret[BY_NAME_COUNT])
{
	ret[FOCUS] = f->focus;
	ret[IGNORE] = f->ignore;
	ret[HIDE] = f->hide;
	ret[SHOW] = f->show;
	ret[SHOW_FROM] = f->show_from;
	return ret;
}

static bool given(const char *text)
{
	return text && *text;
}

static uint8_t match(struct filtering *f, const char *name, const char *file)
{
	uint8_t bits = 0;

	for (size_t i = 0; i < BY_NAME_COUNT; i++)
		if (f->e[i] && (expression_matches(f->e[i], name) ||
				       (file && expression_matches(f->e[i], file))))
			bits |= (uint8_t)(1U << i);
	return bits;
}

static int filtering_init(
	struct filtering *f, struct profile *p, const struct filter *filter, struct error *error)
{
	const char *texts[BY_NAME_COUNT];

	*f = (struct filtering){ .p = p };
	filter_texts(filter, texts);
	for (size_t i = 0; i < BY_NAME_COUNT; i++) {
		int r = given(texts[i]) ? expression_new(&f->e[i], texts[i], false, names[i], error)
					: 0;
		if (r < 0)
			return r;
	}
	f->functions = calloc(p->functions.n + 1, 1);
	f->mappings = calloc(p->mappings.n + 1, 1);
	f->locations = calloc(p->locations.n + 1, 1);
	f->stacks = calloc(p->stacks.n + 1, 1);
	if (!f->functions || !f->mappings || !f->locations || !f->stacks)
		return -ENOMEM;
	for (size_t i = 0; i < p->functions.n; i++) {
		const struct profile_function *fn =
			ARRAY_AT(&p->functions, struct profile_function, i);
		_cleanup_free_ char *owned = NULL;
		f->functions[i] =
			match(f, frame_function_name(p, fn, &owned), profile_text(p, fn->file));
	}
	for (size_t i = 0; i < p->mappings.n; i++)
		f->mappings[i] = match(f, frame_module(p, (uint32_t)i), NULL);
	return 0;
}

static uint8_t line_bits(const struct filtering *f, const struct profile_line *l)
{
	return f->functions[l->function];
}

/* Lines from `from` on that (do not) match go to the end of the column where some but not all do.
 */
static int keep_lines(
	struct filtering *f, struct profile_location *l, enum by_name by, bool matching)
{
	struct array *lines = &f->p->lines;
	uint32_t kept = 0, n = l->n_lines;

	for (uint32_t i = 0; i < n; i++)
		kept += (line_bits(f, ARRAY_AT(lines, struct profile_line, l->first_line + i)) >>
					by &
				1) == matching;
	if (kept && kept < n) {
		uint32_t first = (uint32_t)lines->n;
		int r = array_resize(lines, lines->n + kept);
		if (r < 0)
			return r;
		struct profile_line *all = lines->data, *to = &all[first];
		for (uint32_t i = 0; i < n; i++)
			if ((line_bits(f, &all[l->first_line + i]) >> by & 1) == matching)
				*to++ = all[l->first_line + i];
		l->first_line = first;
	}
	l->n_lines = kept;
	return 0;
}

/* The outermost line that matches and those it called are left; false: none does. */
static bool show_from(struct filtering *f, struct profile_location *l)
{
	for (uint32_t i = l->n_lines; i-- > 0;)
		if (line_bits(f, ARRAY_AT(&f->p->lines, struct profile_line, l->first_line + i)) &
			1U << SHOW_FROM) {
			l->n_lines = i + 1;
			return true;
		}
	return false;
}

static int judge_location(struct filtering *f, size_t i)
{
	struct profile_location *l = ARRAY_AT(&f->p->locations, struct profile_location, i);
	uint8_t in_mapping = l->mapping == PROFILE_NONE ? 0 : f->mappings[l->mapping];
	uint8_t any = in_mapping, *verdict = &f->locations[i];
	int r = 0;

	for (uint32_t k = 0; k < l->n_lines; k++)
		any |= line_bits(f, ARRAY_AT(&f->p->lines, struct profile_line, l->first_line + k));
	for (size_t k = 0; k < SHOW; k++)
		f->matched[k] = f->matched[k] || any & 1U << k;
	if (any & 1U << IGNORE)
		*verdict = IGNORED;
	else if (!f->e[FOCUS] || any & 1U << FOCUS)
		*verdict = FOCUSED;
	if (any & 1U << HIDE) {
		if (in_mapping & 1U << HIDE)
			l->n_lines = 0;
		else
			r = keep_lines(f, l, HIDE, false);
		*verdict |= l->n_lines ? 0 : HIDDEN;
	}
	if (f->e[SHOW] && r >= 0) {
		if (!(in_mapping & 1U << SHOW))
			r = keep_lines(f, l, SHOW, true);
		*verdict |= l->n_lines ? 0 : HIDDEN;
		f->matched[SHOW] = f->matched[SHOW] || l->n_lines;
	}
	if (f->e[SHOW_FROM] && (in_mapping & 1U << SHOW_FROM || show_from(f, l))) {
		*verdict |= BEGIN;
		f->matched[SHOW_FROM] = true;
	}
	return r;
}

static bool is_focused(const struct filtering *f, const uint32_t *locations, uint32_t n)
{
	bool focused = false;

	for (uint32_t i = 0; i < n; i++) {
		if (f->locations[locations[i]] & IGNORED)
			return false;
		focused = focused || f->locations[locations[i]] & FOCUSED;
	}
	return focused;
}

static void filter_stack(struct filtering *f, size_t stack)
{
	struct profile_span *s = ARRAY_AT(&f->p->stacks, struct profile_span, stack);
	uint32_t *locations = s->n ? ARRAY_AT(&f->p->stack_locations, uint32_t, s->first) : NULL;
	uint32_t n = 0;

	if (!is_focused(f, locations, s->n))
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (!(f->locations[locations[i]] & HIDDEN))
			locations[n++] = locations[i];
	while (f->e[SHOW_FROM] && n && !(f->locations[locations[n - 1]] & BEGIN))
		n--;
	s->n = n;
	f->stacks[stack] = n > 0;
}

static int filter_tags(struct filtering *f, const char *text, const char *what, FILE *notes,
	uint8_t **ret, struct error *error)
{
	if (!given(text))
		return 0;
	*ret = calloc(f->p->label_sets.n + 1, 1);
	return *ret ? tag_filter(f->p, text, what, notes, *ret, error) : -ENOMEM;
}

/* Notes whether the filters of labels left or took anything. */
static void filter_samples(struct filtering *f, bool *ret_focused, bool *ret_ignored)
{
	struct profile *p = f->p;
	size_t n = 0;

	for (size_t i = 0; i < profile_n_samples(p); i++) {
		uint32_t stack = *ARRAY_AT(&p->sample_stacks, uint32_t, i);
		uint32_t set = *ARRAY_AT(&p->sample_labels, uint32_t, i);
		bool focused, ignored;

		if (!f->stacks[stack])
			continue;
		focused = !f->focused_sets || f->focused_sets[set];
		ignored = f->ignored_sets && f->ignored_sets[set];
		*ret_focused = *ret_focused || focused;
		*ret_ignored = *ret_ignored || ignored;
		if (!focused || ignored)
			continue;
		*ARRAY_AT(&p->sample_stacks, uint32_t, n) = stack;
		*ARRAY_AT(&p->sample_labels, uint32_t, n) = set;
		memmove(ARRAY_AT(&p->values, int64_t, n * p->n_types),
			ARRAY_AT(&p->values, int64_t, i * p->n_types),
			p->n_types * sizeof(int64_t));
		n++;
	}
	p->sample_stacks.n = p->sample_labels.n = n;
	p->values.n = n * p->n_types;
}

static int run(struct filtering *f, const struct filter *filter, FILE *notes, struct error *error)
{
	struct profile *p = f->p;
	bool focused = false, ignored = false;
	int r = filter_tags(f, filter->tagfocus, "--tagfocus", notes, &f->focused_sets, error);

	if (r >= 0)
		r = filter_tags(
			f, filter->tagignore, "--tagignore", notes, &f->ignored_sets, error);
	for (size_t i = 0; i < p->locations.n && r >= 0; i++)
		r = judge_location(f, i);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->stacks.n; i++)
		filter_stack(f, i);
	filter_samples(f, &focused, &ignored);
	for (size_t i = 0; i < BY_NAME_COUNT; i++)
		if (f->e[i] && !f->matched[i])
			(void)fprintf(notes, "%s matches nothing\n", names[i]);
	if (f->focused_sets && !focused)
		(void)fputs("--tagfocus matches nothing\n", notes);
	if (f->ignored_sets && !ignored)
		(void)fputs("--tagignore matches nothing\n", notes);
	return 0;
}

int filter_apply(struct profile *p, const struct filter *filter, FILE *notes, struct error *error)
{
	const char *texts[BY_NAME_COUNT];
	bool any = given(filter->tagfocus) || given(filter->tagignore);
	int r = prune_apply(p);

	if (r >= 0)
		r = tag_frames(p, filter->tagroot, filter->tagleaf, filter->unit, notes, error);
	filter_texts(filter, texts);
	for (size_t i = 0; i < BY_NAME_COUNT; i++)
		any = any || given(texts[i]);
	if (r >= 0 && any) {
		CLEANUP(filtering_deinit) struct filtering f = { 0 };
		profile_index_drop(p);
		r = filtering_init(&f, p, filter, error);
		if (r >= 0)
			r = run(&f, filter, notes, error);
	}
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot filter: %s", strerror(-r)) : 0;
}

void filter_write(const struct filter *f, FILE *out)
{
	const struct {
		const char *name, *text;
	} all[] = {
		{ "focus", f->focus },
		{ "ignore", f->ignore },
		{ "hide", f->hide },
		{ "show", f->show },
		{ "show_from", f->show_from },
		{ "tagfocus", f->tagfocus },
		{ "tagignore", f->tagignore },
	};
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char text[84]; /* pprof cuts behind 80 bytes */

		if (!given(all[i].text))
			continue;
		if (!any)
			(void)fputs("Active filters:\n", out);
		any = true;
		int n = snprintf(text, 81, "%s=%s", all[i].name, all[i].text);
		(void)fputs("   ", out);
		(void)frame_put(out, text, 0, 0);
		(void)fputs(n > 80 ? "…\n" : "\n", out);
	}
}
