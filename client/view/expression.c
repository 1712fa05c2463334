/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns matching: an expression is a program for a machine that is in several places of it at once
 * (swtch.com/~rsc/regexp/regexp2.html), so nothing is tried twice. expression_parse.c writes the
 * programs.
 */
#include "view/expression.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "view/expression_program.h"

#define BAD_RUNE 0xfffdU

struct expression *expression_free(struct expression *e)
{
	if (!e)
		return NULL;
	free(e->literal);
	for (size_t i = 0; i < ARRAY_SIZE(e->places); i++)
		free(e->places[i].all);
	free(e->stack);
	free(e->mark);
	array_deinit(&e->ranges);
	array_deinit(&e->code);
	free(e);
	return NULL;
}

static bool is_literal(const char *text)
{
	return !text[strcspn(text, "\\.+*?()|[]{}^$")];
}

static int prepare(
	struct expression *e, const char *text, bool whole, const char *what, struct error *error)
{
	int r = expression_parse(e, text, whole, what, error);
	size_t n = e->code.n;

	if (r < 0)
		return r;
	if (!whole && is_literal(text))
		e->literal = strdup(text);
	for (size_t i = 0; i < ARRAY_SIZE(e->places); i++)
		e->places[i].all = calloc(n, sizeof(uint32_t));
	e->stack = calloc(2 * n, sizeof(*e->stack));
	e->mark = calloc(n, sizeof(*e->mark));
	return e->places[0].all && e->places[1].all && e->stack && e->mark ? 0 : -ENOMEM;
}

int expression_new(struct expression **ret, const char *text, bool whole, const char *what,
	struct error *error)
{
	CLEANUP(expression_freep) struct expression *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->code = (struct array)ARRAY_INIT(struct instruction, EXPRESSION_MAX_CODE);
	e->ranges = (struct array)ARRAY_INIT(struct range, EXPRESSION_MAX_RANGES);
	int r = prepare(e, text, whole, what, error);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

/* The character that text begins with; 0 at the end, which no text holds. */
static uint32_t rune_at(const char *text, size_t left, size_t *ret_n)
{
	const uint8_t *s = (const uint8_t *)text;
	bool printable;

	*ret_n = left ? 1 : 0;
	if (!left || *s < 0x80)
		return left ? *s : 0;
	*ret_n = text_char(text, left, &printable);
	switch (*ret_n) {
	case 2:
		return (s[0] & 0x1fU) << 6 | (s[1] & 0x3fU);
	case 3:
		return (s[0] & 0xfU) << 12 | (s[1] & 0x3fU) << 6 | (s[2] & 0x3fU);
	case 4:
		return (s[0] & 7U) << 18 | (s[1] & 0x3fU) << 12 | (s[2] & 0x3fU) << 6 |
		       (s[3] & 0x3fU);
	default:
		return BAD_RUNE;
	}
}

static bool is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

/* Between the characters `before` and `after`; 0: there is none. */
static bool holds(enum assertion a, uint32_t before, uint32_t after)
{
	switch (a) {
	case TEXT_BEGIN:
		return !before;
	case TEXT_END:
		return !after;
	case LINE_BEGIN:
		return !before || before == '\n';
	case LINE_END:
		return !after || after == '\n';
	case WORD_EDGE:
		return is_word(before) != is_word(after);
	default: /* NO_WORD_EDGE */
		return is_word(before) == is_word(after);
	}
}

/* Adds a place and all that it leads to without a character; true: the end is among them. */
static bool enter(struct expression *e, struct places *places, uint32_t start, uint32_t before,
	uint32_t after)
{
	size_t n = 0;

	e->stack[n++] = start;
	while (n) {
		uint32_t at = e->stack[--n];
		const struct instruction *i = ARRAY_AT(&e->code, struct instruction, at);

		if (e->mark[at] == e->generation)
			continue;
		e->mark[at] = e->generation;
		switch (i->op) {
		case OP_MATCH:
			return true;
		case OP_CHAR:
			places->all[places->n++] = at;
			break;
		case OP_JUMP:
			e->stack[n++] = (uint32_t)((int32_t)at + i->x);
			break;
		case OP_SPLIT:
			e->stack[n++] = (uint32_t)((int32_t)at + i->x);
			e->stack[n++] = at + 1;
			break;
		case OP_ASSERT:
			if (holds((enum assertion)i->x, before, after))
				e->stack[n++] = at + 1;
			break;
		}
	}
	return false;
}

static bool takes(const struct expression *e, const struct instruction *i, uint32_t c)
{
	const struct range *r = ARRAY_AT(&e->ranges, struct range, (size_t)i->x);

	for (uint32_t k = 0; k < i->n_ranges; k++)
		if (c >= r[k].first && c <= r[k].last)
			return !i->negated;
	return i->negated;
}

bool expression_matches(struct expression *e, const char *text)
{
	struct places *now = &e->places[0], *next = &e->places[1];
	uint32_t before = 0, c, after;
	size_t left = strlen(text), n, n_after;

	if (e->literal)
		return strstr(text, e->literal);
	now->n = 0;
	e->generation++;
	c = rune_at(text, left, &n);
	if (enter(e, now, 0, 0, c))
		return true;
	while (c) {
		after = rune_at(text + n, left - n, &n_after);
		next->n = 0;
		e->generation++;
		for (size_t i = 0; i < now->n; i++)
			if (takes(e, ARRAY_AT(&e->code, struct instruction, now->all[i]), c) &&
				enter(e, next, now->all[i] + 1, c, after))
				return true;
		text += n;
		left -= n;
		before = c;
		c = after;
		n = n_after;
		/* A match of a part may begin anywhere. */
		if (!e->anchored && enter(e, next, 0, before, c))
			return true;
		if (e->anchored && !next->n)
			return false;
		struct places *old = now;
		now = next;
		next = old;
	}
	return false;
}
