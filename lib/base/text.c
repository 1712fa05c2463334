/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the decision which bytes may reach a terminal or a log. Trusts nothing: names of processes,
 * files and symbols are chosen by targets.
 */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

#include "base/io.h"

static bool code_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	if (c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e))
		return false;
	return c < 0x2066 || c > 0x2069;
}

size_t text_char(const char *s, size_t n, bool *ret_printable)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length;
	uint32_t code;

	if (u[0] < 0x80) {
		*ret_printable = code_printable(u[0]);
		return 1;
	}
	*ret_printable = false;
	if (u[0] >= 0xc2 && u[0] <= 0xdf) {
		length = 2;
		code = u[0] & 0x1f;
	} else if ((u[0] & 0xf0) == 0xe0) {
		length = 3;
		code = u[0] & 0x0f;
	} else if (u[0] >= 0xf0 && u[0] <= 0xf4) {
		length = 4;
		code = u[0] & 0x07;
	} else {
		return 1;
	}
	if (length > n)
		return 1;
	for (size_t i = 1; i < length; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 1;
		code = code << 6 | (u[i] & 0x3f);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 1;
	*ret_printable = code_printable(code);
	return length;
}

/* The first byte of n that begins no character; s + n where each does. */
static char *text_invalid(const char *s, size_t n)
{
	while (n > 0) {
		bool printable;
		size_t length = text_char(s, n, &printable);

		if (length == 1 && (unsigned char)*s >= 0x80)
			break;
		s += length;
		n -= length;
	}
	return (char *)s;
}

bool text_is_utf8(const char *s)
{
	return *text_invalid(s, strlen(s)) == '\0';
}

void text_make_utf8(char *s)
{
	const char *end = s + strlen(s);

	while ((s = text_invalid(s, (size_t)(end - s))) < end)
		*s++ = '?';
}

const char *io_printable(const char *s, char *out, size_t n)
{
	size_t left = strlen(s), used = 0;

	if (n == 0)
		return out;
	while (left > 0) {
		bool printable;
		size_t length = text_char(s, left, &printable);
		size_t wanted = printable ? length : 1;

		if (wanted > n - 1 - used)
			break;
		if (printable)
			memcpy(out + used, s, length);
		else
			out[used] = '?';
		used += wanted;
		s += length;
		left -= length;
	}
	out[used] = '\0';
	return out;
}
