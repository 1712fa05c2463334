/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the parts of a message (parts.h), at most PARTS_MAX. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"

struct parts *parts_new(void)
{
	return calloc(1, sizeof(struct parts));
}

struct parts *parts_free(struct parts *p)
{
	for (size_t i = 0; p && i < p->n; i++)
		free(p->all[i]);
	free(p);
	return NULL;
}

static void *keep(struct parts *p, void *part)
{
	if (!part || p->n == PARTS_MAX) {
		p->failed = true;
		free(part);
		return NULL;
	}
	p->all[p->n++] = part;
	return part;
}

void *parts_zeroed(struct parts *p, size_t n, size_t size)
{
	return keep(p, calloc(n ? n : 1, size));
}

char *parts_text(struct parts *p, const char *text)
{
	char *copy = keep(p, strdup(text));

	if (!copy)
		return (char *)"";
	text_make_utf8(copy);
	return copy;
}
