/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the use of libiberty's demanglers, which come without parameters when not asked for them,
 * and the removal of template arguments. Names are hostile: a short one can stand for a text of
 * 2^100 characters, so that what is too long is left in the middle. Both demanglers keep what they
 * work with on the stack, but for identifiers in punycode, which are handed over in one piece and
 * hold characters that are not ASCII: those are not left.
 */
#include "view/demangle.h"
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/limits.h"

typedef int (*demangle_fn)(const char *, int, demangle_callbackref, void *);

struct text {
	char *data; /* owned */
	size_t n, allocated;
	bool failed;
	jmp_buf leave;
};

static bool is_ascii(const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (data[i] & 0x80)
			return false;
	return true;
}

static bool make_room(struct text *t, size_t n)
{
	if (n > VIEW_DEMANGLE_MAX_OUTPUT - t->n)
		return false;
	if (t->n + n < t->allocated)
		return true;
	size_t allocated = 2 * (t->n + n) + 64;
	char *data = realloc(t->data, allocated);
	if (!data)
		return false;
	t->data = data;
	t->allocated = allocated;
	return true;
}

static void append(const char *data, size_t n, void *ctx)
{
	struct text *t = ctx;

	if (t->failed || !make_room(t, n)) {
		t->failed = true;
		if (is_ascii(data, n))
			longjmp(t->leave, 1);
		return;
	}
	memcpy(t->data + t->n, data, n);
	t->n += n;
	t->data[t->n] = '\0';
}

/* `t` is the caller's, so that it is whole behind a jump. */
static bool run(struct text *t, const char *name, demangle_fn demangle, int options)
{
	if (setjmp(t->leave))
		return false;
	return demangle(name, options, append, t) && !t->failed && t->data;
}

static char *demangled_by(demangle_fn demangle, const char *name, int options)
{
	struct text t = { 0 };

	if (run(&t, name, demangle, options))
		return t.data;
	free(t.data);
	return NULL;
}

/* The length of an operator's sign that angle brackets are part of. */
static size_t operator_sign(const char *c)
{
	static const char *const signs[] = { "<=>", "<<=", ">>=", "->*", "<<", ">>",
		"<=", ">=", "->", "<", ">" };

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (!strncmp(c, signs[i], strlen(signs[i])))
			return strlen(signs[i]);
	return 0;
}

/* Behind the bracket that closes the one at c; NULL: none does. What is in round brackets may be
 * an expression, whose signs count for nothing. */
static char *behind_bracket(char *c)
{
	size_t angle = 0, round = 0;

	for (; *c; c++) {
		if (*c == '(')
			round++;
		else if (*c == ')' && round)
			round--;
		else if (*c == '<' && !round)
			angle++;
		else if (*c == '>' && !round && --angle == 0)
			return c + 1;
	}
	return NULL;
}

/* In place. */
static void remove_template_arguments(char *name)
{
	static const char word[] = "operator";
	char *to = name, *end;

	for (char *c = name; *c;) {
		size_t n = strncmp(c, word, sizeof(word) - 1) != 0 ? 0 : sizeof(word) - 1;
		n += n ? operator_sign(c + n) : 0;
		if (n) {
			memmove(to, c, n);
			to += n;
			c += n;
			c += *c == ' ' && c[1] == '<';
		} else if (*c == '<' && (end = behind_bracket(c))) {
			c = end;
		} else {
			*to++ = *c++;
		}
	}
	*to = '\0';
}

static char *demangle_any(const char *name, bool whole)
{
	int options = DMGL_ANSI | (whole ? DMGL_PARAMS : 0);
	char *text = NULL;

	if (!strncmp(name, "_R", 2) || !strncmp(name, "_Z", 2))
		text = demangled_by(rust_demangle_callback, name, options);
	if (!text && (!strncmp(name, "_Z", 2) || !strncmp(name, "_GLOBAL_", 8))) {
		text = demangled_by(cplus_demangle_v3_callback, name, options);
		if (text && !whole)
			remove_template_arguments(text);
	}
	return text;
}

char *view_demangle(const char *name, bool whole)
{
	if (strnlen(name, VIEW_DEMANGLE_MAX_INPUT + 1) > VIEW_DEMANGLE_MAX_INPUT)
		return NULL;
	char *text = demangle_any(name, whole);
	if (text && strlen(text) > LIMIT_SYMBOL_NAME) {
		free(text);
		text = NULL;
	}
	return text;
}
