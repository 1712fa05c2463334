/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how request targets are read. Its input is anybody's: a path that means something only after
 * it was tidied up (dot segments, empty segments) is left as it is and matches nothing.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "http/uri.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_plain(unsigned char c)
{
	return c > 0x20 && c < 0x7f;
}

/* Decodes n bytes to *at, with a NUL behind them. `plus`: as forms are, '+' is a space. */
static int decode(const char *s, size_t n, bool plus, char **at)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (!is_plain(c))
			return -EINVAL;
		if (c == '%') {
			int high = i + 2 < n ? hex(s[i + 1]) : -1;
			int low = high >= 0 ? hex(s[i + 2]) : -1;

			if (low < 0)
				return -EINVAL;
			c = (unsigned char)(high << 4 | low);
			if (c < 0x20 || c == 0x7f)
				return -EINVAL;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		*(*at)++ = (char)c;
	}
	*(*at)++ = '\0';
	return 0;
}

static int take_parameter(struct uri *u, const char *s, size_t n, char **at)
{
	const char *equals = memchr(s, '=', n);
	size_t name_n = equals ? (size_t)(equals - s) : n;
	struct uri_parameter *p = &u->parameters[u->n];
	int r;

	if (n == 0)
		return 0;
	if (u->n >= HTTP_PARAMETERS)
		return -E2BIG;
	p->name = *at;
	r = decode(s, name_n, true, at);
	if (r < 0)
		return r;
	p->value = *at;
	r = decode(s + name_n + (equals ? 1 : 0), n - name_n - (equals ? 1 : 0), true, at);
	if (r == 0)
		u->n++;
	return r;
}

int uri_parse(struct uri *u, const char *target)
{
	size_t path_n = strcspn(target, "?#"), n;
	char *at = u->text;
	const char *s;
	int r;

	u->n = 0;
	u->path = u->text;
	u->query = "";
	if (strnlen(target, HTTP_URI_BYTES) >= HTTP_URI_BYTES)
		return -E2BIG;
	if (target[0] != '/' || strchr(target, '#'))
		return -EINVAL;
	r = decode(target, path_n, false, &at);
	if (r < 0)
		return r;
	if (!target[path_n])
		return 0;
	u->query = s = target + path_n + 1;
	for (;; s += n + 1) {
		n = strcspn(s, "&");
		/* A query of addresses (symbol) is no form; it is a name without a value. */
		r = take_parameter(u, s, n, &at);
		if (r < 0 || !s[n])
			return r;
	}
}

const char *uri_parameter(const struct uri *u, const char *name)
{
	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->parameters[i].name, name))
			return u->parameters[i].value;
	return NULL;
}
