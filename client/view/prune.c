/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns drop_frames. The expressions come from the file and are hostile: what makes regcomp(3) or
 * regexec(3) recurse, repeat or backtrack without a bound is refused before they see it.
 */
#include "view/prune.h"
#include <errno.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/frame.h"

#define MAX_EXPRESSION 1024U
#define MAX_DEPTH      32

enum verdict { UNKNOWN, KEPT, DROPPED };

/* RE2 to a whole-name POSIX expression; false for what has no equal there. */
static bool translate(const char *re2, char out[MAX_EXPRESSION])
{
	size_t n = 0;
	int depth = 0;

	if (strlen(re2) > MAX_EXPRESSION - 8)
		return false;
	out[n++] = '^';
	out[n++] = '(';
	for (const char *c = re2; *c; c++) {
		if (*c == '{' || (depth += *c == '(') > MAX_DEPTH)
			return false;
		depth -= *c == ')';
		/* Letters and digits behind a backslash are classes, assertions, references. */
		if (*c == '\\') {
			if (!c[1] || !strchr(".+*?()|[]{}^$\\/:-", c[1]))
				return false;
			out[n++] = *c++;
		}
		if (!strncmp(c, "(?", 2)) {
			if (c[2] != ':')
				return false;
			c += 2;
			out[n++] = '(';
			continue;
		}
		if ((*c == '?' || *c == '+') && c > re2 && strchr("*+?", c[-1]))
			return false;
		out[n++] = *c;
	}
	memcpy(out + n, ")$", 3);
	return true;
}

/* false: there is none, or none that can be used. */
static bool compile(const char *re2, regex_t *ret)
{
	char posix[MAX_EXPRESSION];

	return *re2 && translate(re2, posix) && regcomp(ret, posix, REG_EXTENDED | REG_NOSUB) == 0;
}

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

static int judge(const struct profile *p, uint32_t function, const regex_t *drop,
	const regex_t *keep, uint8_t *verdict)
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
	*verdict = *name && !regexec(drop, simple, 0, NULL, 0) &&
				   (!keep || regexec(keep, simple, 0, NULL, 0))
			   ? DROPPED
			   : KEPT;
	return 0;
}

/* Per location: the outermost line that is dropped + 1, thus how many lines go. */
static int judge_locations(
	const struct profile *p, const regex_t *drop, const regex_t *keep, struct array *dropped)
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

int prune(const struct profile *p, struct array *ret_first_line, struct array *ret_leaf)
{
	regex_t drop, keep;
	int r = array_resize(ret_first_line, p->locations.n);

	if (r >= 0)
		r = array_resize(ret_leaf, p->stacks.n);
	if (r < 0 || !compile(profile_text(p, p->drop_frames), &drop))
		return r;
	bool has_keep = compile(profile_text(p, p->keep_frames), &keep);
	/* Without the exceptions that it was meant to have, nothing is dropped. */
	if (!p->keep_frames || has_keep)
		r = judge_locations(p, &drop, has_keep ? &keep : NULL, ret_first_line);
	if (has_keep)
		regfree(&keep);
	regfree(&drop);
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
