/* SPDX-License-Identifier: Apache-2.0 */
/* What `top` looks like, as text for a terminal or for a pipe. Pure. */
#ifndef PROFCTL_LIVE_DRAW_H
#define PROFCTL_LIVE_DRAW_H

#include <stdio.h>
#include "live/history.h"
#include "live/rows.h"

struct draw {
	const struct rows *rows;
	const struct history *history; /* NULL: no bars */
	const char *target, *type;
	enum rows_by by;
	const char *filter;	   /* "" for none */
	const char *typed;	   /* a filter that is being typed; NULL: none is */
	const char *focus;	   /* what is looked into, "" for all */
	const char *note;	   /* what is wrong, "" for nothing */
	bool cum, paused, callers; /* callers: rows call what is in focus */
	bool utf8;
	uint64_t span_ns; /* of the rows; 0: not known yet */
	size_t selected;
	unsigned width, height; /* of a screen */
};

/* A whole screen: at most height lines of at most width columns. */
void draw_screen(const struct draw *d, FILE *out);
/* A table of at most n rows, without any sequence. */
void draw_plain(const struct draw *d, size_t n, FILE *out);

#endif
