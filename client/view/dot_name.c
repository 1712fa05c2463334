/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how a function is written into a box: ShortenFunctionName() of
 * github.com/google/pprof/blob/main/internal/graph/graph.go by hand, since names are hostile and
 * its expressions would be slow on some.
 */
#include "view/dot_name.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/text.h"

void dot_put(FILE *out, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		bool printable;
		size_t n = text_char(text, left, &printable);

		if (!printable)
			(void)fputc('?', out);
		else if (*text == '"' || *text == '\\')
			(void)fprintf(out, "\\%c", *text);
		else
			(void)fwrite(text, 1, n, out);
		text += n;
		left -= n;
	}
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Takes "/v2" and the like, a Go module's version, out. In place. */
static void remove_version(char *name)
{
	for (char *at = strstr(name, "/v"); at; at = strstr(at + 1, "/v")) {
		size_t n = strspn(at + 2, "0123456789");
		char *end = at + 2 + n;
		if (!n || at[2] == '0' || (n == 1 && at[2] == '1') || (*end != '.' && *end != '/'))
			continue;
		memmove(at, end, strlen(end) + 1);
		return;
	}
}

/* Behind "a.b/c-d/", Go's path of a package; NULL: there is none. */
static const char *behind_path(const char *name)
{
	const char *begin = name, *found = NULL;

	for (const char *c = name; *c; c++) {
		if (*c == '/' && c > begin) {
			begin = c + 1;
			if (*begin)
				found = begin;
		} else if (!is_word(*c) && *c != '-' && *c != '.') {
			break;
		}
	}
	return found;
}

/* Class.method of Java's name; its length, 0: it is none. */
static size_t java_method(const char *name, const char **ret)
{
	const char *c = name;

	while (islower((unsigned char)*c)) {
		const char *end = c;
		while (is_word(*end))
			end++;
		if (*end != '.')
			return 0;
		c = end + 1;
	}
	*ret = c;
	if (!isupper((unsigned char)*c))
		return 0;
	while (is_word(*c) || *c == '$')
		c++;
	if (*c++ != '.')
		return 0;
	if (!strncmp(c, "<init>", 6))
		c += 6;
	else if (islower((unsigned char)*c))
		while (is_word(*c) || *c == '$')
			c++;
	else
		return 0;
	return !*c || *c == '(' ? (size_t)(c - *ret) : 0;
}

static size_t identifier(const char *c)
{
	size_t n = 0;

	if (isalpha((unsigned char)*c) || *c == '_')
		while (is_word(c[n]))
			n++;
	return n;
}

/* Class::method, with template arguments, behind C++'s name spaces; its length, 0: it is none. */
static size_t cpp_method(const char *name, const char **ret)
{
	const char *begin = name, *found = NULL, *end = NULL;

	for (size_t n = identifier(begin); n && !strncmp(begin + n, "::", 2);
		n = identifier(begin)) {
		const char *class = begin + strspn(begin, "_"), *method = begin + n + 2;
		size_t m = identifier(method + (*method == '~'));
		if (begin > name && isupper((unsigned char)*class) && m) {
			found = begin;
			end = method + (*method == '~') + m;
		}
		begin += n + 2;
	}
	if (!found)
		return 0;
	if (*end == '<' && strrchr(end, '>'))
		end = strrchr(end, '>') + 1;
	*ret = found;
	return (size_t)(end - found);
}

int dot_put_name(FILE *out, const char *name)
{
	static const char anonymous[] = "(anonymous namespace)::";
	const char *part;
	size_t n;

	if (!strncmp(name, anonymous, sizeof(anonymous) - 1))
		name += sizeof(anonymous) - 1;
	_cleanup_free_ char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	remove_version(copy);
	part = behind_path(copy);
	n = part ? strlen(part) : java_method(copy, &part);
	n = n ?: cpp_method(copy, &part);
	_cleanup_free_ char *shown = n ? strndup(part, n) : strdup(copy);
	if (!shown)
		return -ENOMEM;
	for (char *c = shown; *c;) {
		size_t k = strcspn(c, ":.[");
		char first = c[k];
		c[k] = '\0';
		dot_put(out, c);
		c[k] = first;
		c += k;
		if (!strncmp(c, "[...]", 5))
			(void)fputs("[…]", out), c += 5;
		else if (!strncmp(c, "::", 2))
			(void)fputs("\\n", out), c += 2;
		else if (*c == '.')
			(void)fputs("\\n", out), c++;
		else if (*c)
			(void)fputc(*c++, out);
	}
	return 0;
}
