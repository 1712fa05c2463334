/* SPDX-License-Identifier: Apache-2.0 */
/* Walking over text that somebody else wrote, one character at a time. */
#ifndef PROFD_BASE_TEXT_H
#define PROFD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The length in bytes of the UTF-8 character that s (n > 0 bytes) begins with, 1 for a byte that
 * begins none (RFC 3629: overlong forms, surrogates and what is above U+10FFFF are none).
 * *ret_printable is false for those, for control characters (C0, DEL, C1), for line and paragraph
 * separators and for marks that change the direction of what follows.
 */
size_t text_char(const char *s, size_t n, bool *ret_printable);

/* Protocol buffers' strings are UTF-8, and strict readers refuse a whole message for one byte. */
bool text_is_utf8(const char *s);
/* Each byte that belongs to no character becomes '?'. */
void text_make_utf8(char *s);

#endif
