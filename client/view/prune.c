/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns drop_frames. The expressions come from the file and are hostile; expression.h bounds them.
 */
#include "view/prune.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "view/expression.h"
#include "view/frame.h"

enum verdict { UNKNOWN, KEPT, DROPPED };

/* Without leading dot and argument list, as the expressions are meant for. */
static char *simplify(const char *name)
{
	static const char *const reserved[] = { "(anonymous namespace)", "operator()" };

	name += *name == '.';
	char *copy = strdup(name);
	for (char *c = copy; c && *c; c++) {
		size_t skip = 0;
		for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
			if (!strncmp(c, reserved[i], strlen(reserved[i])))
				skip = strlen(reserved[i]);
		if (skip) {
			c += skip - 1;
		} else if (*c == '(') {
			*c = '\0';
			break;
		}
	}
	return copy;
}

static int judge(const struct profile *p, uint32_t function, struct expression *drop,
	struct expression *keep, uint8_t *verdict)
{
	if (*verdict != UNKNOWN)
		return 0;
	/* pprof drops after it has shortened names. */
	_cleanup_free_ char *owned = NULL;
	const char *name = frame_function_name(
		p, ARRAY_AT(&p->functions, struct profile_function, function), &owned);
	_cleanup_free_ char *simple = simplify(name);
	if (!simple)
		return -ENOMEM;
	*verdict = *name && expression_matches(drop, simple) &&
				   (!keep || !expression_matches(keep, simple))
			   ? DROPPED
			   : KEPT;
	return 0;
}

/* Per location: the outermost line that is dropped + 1, thus how many lines go. */
static int judge_locations(const struct profile *p, struct expression *drop,
	struct expression *keep, struct array *dropped)
{
	_cleanup_free_ uint8_t *verdicts = calloc(p->functions.n + 1, 1);

	if (!verdicts)
		return -ENOMEM;
	for (size_t i = 0; i < p->locations.n; i++) {
		uint32_t n;
		const struct profile_line *lines = profile_lines(p, (uint32_t)i, &n);
		for (uint32_t k = n; k-- > 0;) {
			uint8_t *v = &verdicts[lines[k].function];
			int r = judge(p, lines[k].function, drop, keep, v);
			if (r < 0)
				return r;
			if (*v == DROPPED) {
				*ARRAY_AT(dropped, uint32_t, i) = k + 1;
				break;
			}
		}
	}
	return 0;
}

static void prune_stack(
	const struct profile *p, uint32_t stack, const struct array *dropped, uint32_t *leaf)
{
	uint32_t n, n_lines;
	const uint32_t *locations = profile_stack(p, stack, &n);
	bool found_user = false;

	for (uint32_t i = n; i-- > 0;) {
		uint32_t gone = *ARRAY_AT(dropped, uint32_t, locations[i]);
		if (!gone) {
			found_user = true;
			continue;
		}
		/* What is above the first frame of the user stays, or nothing would. */
		if (!found_user)
			continue;
		(void)profile_lines(p, locations[i], &n_lines);
		*leaf = gone == n_lines ? i + 1 : i;
		return;
	}
}

/* 1: there is one, 0: none, or none that can be read. */
static int compile(const struct profile *p, uint32_t string, struct expression **ret)
{
	int r = string ? expression_new(ret, profile_text(p, string), true, "", NULL) : -EINVAL;

	return r == -EINVAL ? 0 : r < 0 ? r : 1;
}

int prune(const struct profile *p, struct array *ret_first_line, struct array *ret_leaf)
{
	CLEANUP(expression_freep) struct expression *drop = NULL;
	CLEANUP(expression_freep) struct expression *keep = NULL;
	int r = array_resize(ret_first_line, p->locations.n);

	if (r >= 0)
		r = array_resize(ret_leaf, p->stacks.n);
	if (r >= 0)
		r = compile(p, p->drop_frames, &drop);
	if (r <= 0)
		return r;
	r = compile(p, p->keep_frames, &keep);
	/* Without the exceptions that it was meant to have, nothing is dropped. */
	if (r < 0 || (p->keep_frames && !keep))
		return r;
	r = judge_locations(p, drop, keep, ret_first_line);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->stacks.n; i++)
		prune_stack(p, (uint32_t)i, ret_first_line, ARRAY_AT(ret_leaf, uint32_t, i));
	/* A location that goes as a whole keeps its lines where it is above the user's frames. */
	for (size_t i = 0; i < p->locations.n; i++) {
		uint32_t n_lines, *gone = ARRAY_AT(ret_first_line, uint32_t, i);
		(void)profile_lines(p, (uint32_t)i, &n_lines);
		if (*gone == n_lines)
			*gone = 0;
	}
	return 0;
}

int prune_apply(struct profile *p)
{
	CLEANUP(array_deinit) struct array first_line = ARRAY_INIT(uint32_t, SIZE_MAX);
	CLEANUP(array_deinit) struct array leaf = ARRAY_INIT(uint32_t, SIZE_MAX);
	int r = p->drop_frames ? prune(p, &first_line, &leaf) : 0;

	if (r < 0 || !p->drop_frames)
		return r;
	profile_index_drop(p);
	for (size_t i = 0; i < p->locations.n; i++) {
		uint32_t gone = *ARRAY_AT(&first_line, uint32_t, i);
		struct profile_location *l = ARRAY_AT(&p->locations, struct profile_location, i);
		l->first_line += gone;
		l->n_lines -= gone;
	}
	for (size_t i = 0; i < p->stacks.n; i++) {
		uint32_t gone = *ARRAY_AT(&leaf, uint32_t, i);
		struct profile_span *s = ARRAY_AT(&p->stacks, struct profile_span, i);
		s->first += gone;
		s->n -= gone;
	}
	p->drop_frames = p->keep_frames = 0;
	return 0;
}
