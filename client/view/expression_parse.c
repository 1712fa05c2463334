/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the syntax of expressions. One pass writes the program; what repeats is written again from
 * its text. Groups are not remembered and greed makes no difference: only whether there is a match
 * is asked. The text may be hostile: depth, program and classes are bounded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/text.h"
#include "view/expression_class.h"
#include "view/expression_program.h"

#define MAX_DEPTH  200
#define MAX_REPEAT 1000U
#define MAX_RUNE   0x10ffffU

struct parser {
	struct expression *e;
	const char *text, *at, *what;
	struct error *error;
	int depth;
	bool fold, multi_line, dot_all; /* (?i), (?m), (?s) */
};

/* A set of characters being written. */
struct set {
	size_t first;
	bool negated;
};

static int bad(struct parser *p, const char *why)
{
	return error_set(
		p->error, -EINVAL, EXIT_CODE_USAGE, "bad %s '%.100s': %s", p->what, p->text, why);
}

static int emit(struct parser *p, enum op op, int32_t x)
{
	struct instruction *i = array_push(&p->e->code);

	if (!i)
		return bad(p, "it is too large");
	*i = (struct instruction){ .op = (uint8_t)op, .x = x };
	return 0;
}

/* In front of what begins at `at`. */
static int insert(struct parser *p, size_t at, enum op op, int32_t x)
{
	struct array *code = &p->e->code;
	int r = emit(p, op, x);

	if (r < 0)
		return r;
	struct instruction *all = code->data, new = all[code->n - 1];
	memmove(&all[at + 1], &all[at], (code->n - 1 - at) * sizeof(*all));
	all[at] = new;
	return 0;
}

static int add_range(struct parser *p, uint32_t first, uint32_t last)
{
	struct range *r = array_push(&p->e->ranges);

	if (!r)
		return bad(p, "it is too large");
	*r = (struct range){ first, last };
	return 0;
}

/* With the other case of what are ASCII letters. */
static int add_folded(struct parser *p, uint32_t first, uint32_t last)
{
	int r = add_range(p, first, last);

	if (!p->fold)
		return r;
	for (uint32_t base = 'A'; base <= 'a' && r >= 0; base += 'a' - 'A') {
		uint32_t low = MAX(first, base), high = MIN(last, base + 25);
		if (low <= high)
			r = add_range(p, low ^ 0x20U, high ^ 0x20U);
	}
	return r;
}

static int finish_set(struct parser *p, const struct set *s)
{
	size_t n = p->e->ranges.n - s->first;
	int r = n <= UINT16_MAX ? emit(p, OP_CHAR, (int32_t)s->first) : bad(p, "it is too large");

	if (r < 0)
		return r;
	struct instruction *i = ARRAY_AT(&p->e->code, struct instruction, p->e->code.n - 1);
	i->n_ranges = (uint16_t)n;
	i->negated = s->negated;
	return 0;
}

static uint32_t take_rune(struct parser *p)
{
	bool printable;
	size_t n = text_char(p->at, strlen(p->at), &printable);
	const uint8_t *s = (const uint8_t *)p->at;
	uint32_t c = *s;

	p->at += n;
	if (n == 1)
		return c < 0x80 ? c : 0xfffdU;
	c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3fU);
	return c;
}

static int add_class(struct parser *p, const struct named_class *c, bool negated)
{
	uint32_t next = 0;
	int r = 0;

	for (int i = 0; i < c->n && r >= 0; i++) {
		if (!negated)
			r = add_folded(p, c->ranges[i].first, c->ranges[i].last);
		else if (c->ranges[i].first > next)
			r = add_range(p, next, c->ranges[i].first - 1);
		next = c->ranges[i].last + 1;
	}
	return r >= 0 && negated ? add_range(p, next, MAX_RUNE) : r;
}

static int take_hex(struct parser *p, uint32_t *ret)
{
	bool braces = *p->at == '{';
	char *end, digits[9] = "";
	size_t n;

	p->at += braces;
	n = strspn(p->at, "0123456789abcdefABCDEF");
	if (!braces)
		n = MIN(n, 2U);
	if (n == 0 || n >= sizeof(digits) || (!braces && n != 2) || (braces && p->at[n] != '}'))
		return bad(p, "\\x needs two hexadecimal digits, or some in {}");
	memcpy(digits, p->at, n);
	*ret = (uint32_t)strtoul(digits, &end, 16);
	p->at += n + braces;
	return *ret > MAX_RUNE ? bad(p, "there is no such character") : 0;
}

/* The character of an escape, p->at behind the backslash. */
static int take_escape(struct parser *p, uint32_t *ret)
{
	static const char from[] = "aftnrv", to[] = "\a\f\t\n\r\v";
	const char *c;

	if (!*p->at)
		return bad(p, "it ends with a backslash");
	if (*p->at == 'x') {
		p->at++;
		return take_hex(p, ret);
	}
	if (*p->at == '0' ||
		(*p->at >= '1' && *p->at <= '7' && p->at[1] >= '0' && p->at[1] <= '7')) {
		*ret = 0;
		for (int i = 0; i < 3 && *p->at >= '0' && *p->at <= '7'; i++)
			*ret = *ret * 8 + (uint32_t)(*p->at++ - '0');
		return 0;
	}
	c = strchr(from, *p->at);
	if (c) {
		p->at++;
		*ret = (uint32_t)to[c - from];
		return 0;
	}
	if ((*p->at | 0x20) == 'p' || *p->at == 'C')
		return bad(p, "\\p, \\P and \\C are not supported");
	if ((*p->at >= '1' && *p->at <= '9') || ((*p->at | 0x20) >= 'a' && (*p->at | 0x20) <= 'z'))
		return bad(p, "an escape in it is not known");
	*ret = take_rune(p);
	return 0;
}

/* "[:alpha:]" at p->at: 1, 0: it is none. */
static int posix_class(struct parser *p)
{
	bool begins = !strncmp(p->at, "[:", 2);
	const char *name = begins ? p->at + 2 : "", *end = strstr(name, ":]");
	bool negated = *name == '^';

	if (!end)
		return 0;
	name += negated;
	const struct named_class *c = named_class_posix(name, (size_t)(end - name));
	if (c) {
		int r = add_class(p, c, negated);
		p->at = end + 2;
		return r < 0 ? r : 1;
	}
	return bad(p, "a class in it is not known");
}

static int take_set_character(struct parser *p, uint32_t *ret)
{
	if (*p->at != '\\') {
		*ret = take_rune(p);
		return 0;
	}
	p->at++;
	return take_escape(p, ret);
}

static int parse_set_item(struct parser *p)
{
	uint32_t first, last;
	bool negated;
	int r = posix_class(p);

	if (r != 0)
		return r;
	if (*p->at == '\\' && p->at[1]) {
		const struct named_class *c = named_class_perl(p->at[1], &negated);
		if (c) {
			p->at += 2;
			return add_class(p, c, negated);
		}
	}
	r = take_set_character(p, &first);
	last = first;
	if (r >= 0 && *p->at == '-' && p->at[1] && p->at[1] != ']') {
		p->at++;
		r = take_set_character(p, &last);
	}
	if (r >= 0 && last < first)
		return bad(p, "a range in it ends before it begins");
	return r < 0 ? r : add_folded(p, first, last);
}

static int parse_set(struct parser *p)
{
	struct set s = { .first = p->e->ranges.n };
	bool any = false;

	s.negated = *++p->at == '^';
	p->at += s.negated;
	while (*p->at && (*p->at != ']' || !any)) {
		int r = parse_set_item(p);
		if (r < 0)
			return r;
		any = true;
	}
	if (*p->at++ != ']')
		return bad(p, "a [ is not closed");
	return finish_set(p, &s);
}

static int parse_character(struct parser *p, uint32_t c)
{
	struct set s = { .first = p->e->ranges.n };
	int r = add_folded(p, c, c);

	return r < 0 ? r : finish_set(p, &s);
}

static int parse_dot(struct parser *p)
{
	struct set s = { .first = p->e->ranges.n, .negated = true };
	int r = 0;

	p->at++;
	if (!p->dot_all)
		r = add_range(p, '\n', '\n');
	return r < 0 ? r : finish_set(p, &s);
}

static int parse_quoted(struct parser *p)
{
	int r = 0;

	p->at++;
	while (*p->at && strncmp(p->at, "\\E", 2) != 0 && r >= 0)
		r = parse_character(p, take_rune(p));
	p->at += *p->at ? 2 : 0;
	if (r >= 0 && *p->at && strchr("*+?", *p->at))
		return bad(p, "a repetition behind \\E is not supported");
	return r;
}

static int parse_escape(struct parser *p)
{
	static const char letters[] = "AzbB";
	static const enum assertion assertions[] = { TEXT_BEGIN, TEXT_END, WORD_EDGE,
		NO_WORD_EDGE };
	struct set s = { .first = p->e->ranges.n };
	const struct named_class *c;
	const char *letter;
	bool negated;
	uint32_t rune;
	int r;

	p->at++;
	letter = *p->at ? strchr(letters, *p->at) : NULL;
	if (letter) {
		p->at++;
		return emit(p, OP_ASSERT, (int32_t)assertions[letter - letters]);
	}
	if (*p->at == 'Q')
		return parse_quoted(p);
	c = *p->at ? named_class_perl(*p->at, &negated) : NULL;
	if (c) {
		p->at++;
		r = add_class(p, c, negated);
		return r < 0 ? r : finish_set(p, &s);
	}
	r = take_escape(p, &rune);
	return r < 0 ? r : parse_character(p, rune);
}

static int parse_alternatives(struct parser *p);

/* The flags of "(?i-s" up to : or ). */
static int parse_flags(struct parser *p)
{
	bool on = true;

	for (; *p->at && *p->at != ':' && *p->at != ')'; p->at++) {
		switch (*p->at) {
		case '-':
			on = false;
			break;
		case 'i':
			p->fold = on;
			break;
		case 'm':
			p->multi_line = on;
			break;
		case 's':
			p->dot_all = on;
			break;
		case 'U': /* greed */
			break;
		default:
			return bad(p, "a group in it begins with what is not known");
		}
	}
	return 0;
}

/* true: the group was flags only, which hold until the group around it ends. */
static int open_group(struct parser *p, bool *ret_only_flags)
{
	*ret_only_flags = false;
	p->at++;
	if (*p->at != '?')
		return 0;
	if (!strncmp(p->at, "?P<", 3)) {
		const char *end = strchr(p->at, '>');
		if (!end)
			return bad(p, "a group's name is not closed");
		p->at = end + 1;
		return 0;
	}
	p->at++;
	int r = parse_flags(p);
	if (r < 0)
		return r;
	*ret_only_flags = *p->at == ')';
	p->at += *p->at != '\0';
	return 0;
}

static int parse_group(struct parser *p)
{
	struct parser outer = *p;
	bool only_flags;
	int r = open_group(p, &only_flags);

	if (r < 0 || only_flags)
		return r;
	if (++p->depth > MAX_DEPTH)
		return bad(p, "it is nested too deeply");
	r = parse_alternatives(p);
	if (r < 0)
		return r;
	if (*p->at++ != ')')
		return bad(p, "a ( is not closed");
	outer.at = p->at;
	*p = outer;
	return 0;
}

static int parse_atom(struct parser *p)
{
	switch (*p->at) {
	case '(':
		return parse_group(p);
	case '[':
		return parse_set(p);
	case '.':
		return parse_dot(p);
	case '\\':
		return parse_escape(p);
	case '^':
		p->at++;
		return emit(p, OP_ASSERT, p->multi_line ? LINE_BEGIN : TEXT_BEGIN);
	case '$':
		p->at++;
		return emit(p, OP_ASSERT, p->multi_line ? LINE_END : TEXT_END);
	case '*':
	case '+':
	case '?':
		return bad(p, "there is nothing that could be repeated");
	default:
		return parse_character(p, take_rune(p));
	}
}

struct repeat {
	uint32_t min, max; /* UINT32_MAX: any number */
};

static bool take_number(const char **at, uint32_t *ret)
{
	size_t n = strspn(*at, "0123456789");

	if (!n || n > 4)
		return false;
	*ret = (uint32_t)strtoul(*at, NULL, 10);
	*at += n;
	return true;
}

/* {2} {2,} {2,3}; anything else in braces is text. */
static bool take_braces(struct parser *p, struct repeat *ret)
{
	const char *at = p->at + 1;
	struct repeat r;

	if (!take_number(&at, &r.min))
		return false;
	r.max = r.min;
	if (*at == ',') {
		at++;
		if (*at == '}')
			r.max = UINT32_MAX;
		else if (!take_number(&at, &r.max))
			return false;
	}
	if (*at != '}')
		return false;
	p->at = at + 1;
	*ret = r;
	return true;
}

static bool take_repeat(struct parser *p, struct repeat *ret)
{
	switch (*p->at) {
	case '*':
		*ret = (struct repeat){ 0, UINT32_MAX };
		break;
	case '+':
		*ret = (struct repeat){ 1, UINT32_MAX };
		break;
	case '?':
		*ret = (struct repeat){ 0, 1 };
		break;
	case '{':
		if (!take_braces(p, ret))
			return false;
		p->at += *p->at == '?';
		return true;
	default:
		return false;
	}
	p->at++;
	p->at += *p->at == '?';
	return true;
}

/* What was written from `first` on, once more, from its text. */
static int again(struct parser *p, const char *atom)
{
	const char *at = p->at;
	int r;

	p->at = atom;
	r = parse_atom(p);
	p->at = at;
	return r;
}

static int optional(struct parser *p, size_t first)
{
	return insert(p, first, OP_SPLIT, (int32_t)(p->e->code.n - first + 1));
}

static int looped(struct parser *p, size_t first)
{
	int32_t n = (int32_t)(p->e->code.n - first);
	int r = insert(p, first, OP_SPLIT, n + 2);

	return r < 0 ? r : emit(p, OP_JUMP, -(n + 1));
}

/* The atom from `first` on was written once. */
static int repeat(struct parser *p, const char *atom, size_t first, const struct repeat *n)
{
	uint32_t written = 1;
	int r = 0;

	if (n->max < n->min || n->min > MAX_REPEAT || (n->max > MAX_REPEAT && n->max != UINT32_MAX))
		return bad(p, "a number of repetitions in it is too large or upside down");
	if (n->max == 0) {
		p->e->code.n = first;
		return 0;
	}
	for (; written < n->min && r >= 0; written++) {
		first = p->e->code.n;
		r = again(p, atom);
	}
	if (n->max == UINT32_MAX && r >= 0) {
		if (n->min) {
			first = p->e->code.n;
			r = again(p, atom);
		}
		return r < 0 ? r : looped(p, first);
	}
	if (!n->min && r >= 0)
		r = optional(p, first);
	for (; written < n->max && r >= 0; written++) {
		first = p->e->code.n;
		r = again(p, atom);
		if (r >= 0)
			r = optional(p, first);
	}
	return r;
}

static int parse_sequence(struct parser *p)
{
	while (*p->at && *p->at != '|' && *p->at != ')') {
		const char *atom = p->at;
		size_t first = p->e->code.n;
		struct repeat n;
		int r = parse_atom(p);
		if (r < 0)
			return r;
		if (!take_repeat(p, &n))
			continue;
		r = repeat(p, atom, first, &n);
		if (r < 0)
			return r;
		if (*p->at && strchr("*+?", *p->at))
			return bad(p, "a repetition is repeated");
	}
	return 0;
}

static int parse_alternatives(struct parser *p)
{
	size_t first = p->e->code.n, jump;
	int r = parse_sequence(p);

	if (r < 0 || *p->at != '|')
		return r;
	p->at++;
	r = insert(p, first, OP_SPLIT, (int32_t)(p->e->code.n - first + 2));
	if (r < 0)
		return r;
	jump = p->e->code.n;
	r = emit(p, OP_JUMP, 0);
	/* Not deeper than there is room for jumps. */
	if (r >= 0)
		r = parse_alternatives(p);
	if (r >= 0)
		ARRAY_AT(&p->e->code, struct instruction, jump)->x = (int32_t)(p->e->code.n - jump);
	return r;
}

int expression_parse(
	struct expression *e, const char *text, bool whole, const char *what, struct error *error)
{
	struct parser p = { .e = e, .text = text, .at = text, .what = what, .error = error };
	int r = 0;

	e->anchored = whole;
	if (whole)
		r = emit(&p, OP_ASSERT, TEXT_BEGIN);
	if (r >= 0)
		r = parse_alternatives(&p);
	if (r >= 0 && *p.at)
		r = bad(&p, "a ) has no (");
	if (r >= 0 && whole)
		r = emit(&p, OP_ASSERT, TEXT_END);
	return r < 0 ? r : emit(&p, OP_MATCH, 0);
}
