/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns frames made of labels, as pprof's -tagroot and -tagleaf make them (internal/driver/
 * tagroot.go): a function that is called as the label's value is and whose file is its key, at the
 * root for the keys of the one, the first key outermost, and at the leaf for those of the other,
 * the last key innermost. A sample without the label has a frame without a name there.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "view/filter.h"
#include "view/unit.h"

#define MAX_KEYS 16U

struct keys {
	char *names[MAX_KEYS]; /* owned */
	size_t n;
	bool matched;
};

struct tagging {
	struct profile *p;
	struct keys root, leaf;
	const char *unit;
	struct array stack; /* uint32_t: the one at hand */
};

static void tagging_deinit(struct tagging *t)
{
	for (size_t i = 0; i < t->root.n; i++)
		free(t->root.names[i]);
	for (size_t i = 0; i < t->leaf.n; i++)
		free(t->leaf.names[i]);
	array_deinit(&t->stack);
}

static int split(struct keys *k, const char *list, const char *what, struct error *error)
{
	for (size_t n; list && *list; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (!n)
			continue;
		if (k->n == MAX_KEYS)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"%s takes no more than %u keys", what, MAX_KEYS);
		k->names[k->n] = strndup(list, n);
		if (!k->names[k->n++])
			return -ENOMEM;
	}
	return 0;
}

/* The values of a key, strings first, with commas between. The caller's. */
static char *value_of(const struct tagging *t, uint32_t set, const char *key, bool *ret_any)
{
	const struct profile *p = t->p;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	uint32_t n;
	const struct profile_label *l = profile_label_set(p, set, &n);

	*ret_any = false;
	for (int numbers = 0; out && numbers < 2; numbers++) {
		for (uint32_t i = 0; i < n; i++) {
			char buf[UNIT_TEXT];

			if ((numbers ? !tag_is_number(&l[i]) : !l[i].str) ||
				strcmp(profile_text(p, l[i].key), key) != 0)
				continue;
			(void)fputs(*ret_any ? "," : "", out);
			*ret_any = true;
			(void)fputs(!numbers ? profile_text(p, l[i].str)
					     : unit_label(l[i].num, profile_text(p, l[i].num_unit),
						       l[i].num_unit ? t->unit : "", buf),
				out);
		}
	}
	return !out || fclose(out) ? NULL : TAKE_PTR(text);
}

static int make_frame(struct tagging *t, const char *name, const char *key, uint32_t *ret)
{
	struct profile_function f = { 0 };
	struct profile_line line = { 0 };
	int r = profile_add_string(t->p, name, &f.name);

	f.system_name = f.name;
	if (r >= 0)
		r = profile_add_string(t->p, key, &f.file);
	if (r >= 0)
		r = profile_add_function(t->p, &f, &line.function);
	return r < 0 ? r : profile_add_location(t->p, 0, PROFILE_NONE, &line, 1, false, ret);
}

/* Leaf first, as stacks are: the last key comes first. */
static int push_keys(struct tagging *t, struct keys *k, uint32_t set)
{
	for (size_t i = k->n; i-- > 0;) {
		bool any;
		_cleanup_free_ char *value = value_of(t, set, k->names[i], &any);
		uint32_t *slot = array_push(&t->stack);
		int r = value && slot ? make_frame(t, value, k->names[i], slot) : -ENOMEM;

		if (r < 0)
			return r;
		k->matched = k->matched || any;
	}
	return 0;
}

static int push_stack(struct tagging *t, uint32_t stack)
{
	uint32_t n;
	const uint32_t *locations = profile_stack(t->p, stack, &n);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t *slot = array_push(&t->stack);

		if (!slot)
			return -ENOMEM;
		*slot = locations[i];
	}
	return 0;
}

static int tag_samples(struct tagging *t)
{
	struct profile *p = t->p;

	for (size_t i = 0; i < profile_n_samples(p); i++) {
		uint32_t *stack = ARRAY_AT(&p->sample_stacks, uint32_t, i), with;
		uint32_t set = *ARRAY_AT(&p->sample_labels, uint32_t, i);
		int r;

		t->stack.n = 0;
		r = push_keys(t, &t->leaf, set);
		if (r >= 0)
			r = push_stack(t, *stack);
		if (r >= 0)
			r = push_keys(t, &t->root, set);
		if (r >= 0)
			r = profile_intern_stack(p, t->stack.data, (uint32_t)t->stack.n, &with);
		if (r < 0)
			return r;
		*ARRAY_AT(&p->sample_stacks, uint32_t, i) = with;
	}
	return 0;
}

int tag_frames(struct profile *p, const char *root, const char *leaf, const char *unit, FILE *notes,
	struct error *error)
{
	CLEANUP(tagging_deinit)
	struct tagging t = {
		.p = p,
		.unit = unit && *unit ? unit : "minimum",
		.stack = ARRAY_INIT(uint32_t, UINT32_MAX),
	};
	int r = split(&t.root, root, "--tagroot", error);

	if (r >= 0)
		r = split(&t.leaf, leaf, "--tagleaf", error);
	if (r < 0 || t.root.n + t.leaf.n == 0)
		return r;
	profile_index_drop(p);
	r = tag_samples(&t);
	if (r < 0)
		return r;
	if (t.root.n && !t.root.matched)
		(void)fputs("--tagroot matches nothing\n", notes);
	if (t.leaf.n && !t.leaf.matched)
		(void)fputs("--tagleaf matches nothing\n", notes);
	return 0;
}
