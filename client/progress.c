/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the one line on the terminal that is drawn over. State of the process: there is one
 * terminal.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "client/progress.h"

#define BAR_CELLS 30
#define STEP_NS	  (100 * NS_PER_MS) /* finer times only flicker */

static bool drawn;

static bool can_draw(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
}

void progress_draw(uint64_t done_ns, uint64_t total_ns, const char *text)
{
	char bar[BAR_CELLS + 1], done[32], total[32], shown[60];
	unsigned cells;

	if (!can_draw())
		return;
	io_printable(text ? text : "", shown, sizeof(shown));
	drawn = true;
	if (!total_ns) {
		fprintf(stderr, "\r\033[K%s %s",
			clock_format_span(done_ns - done_ns % STEP_NS, done, sizeof(done)), shown);
		return;
	}
	done_ns = MIN(done_ns, total_ns);
	cells = (unsigned)((double)done_ns / total_ns * BAR_CELLS);
	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', cells);
	bar[BAR_CELLS] = 0;
	fprintf(stderr, "\r\033[K[%s] %s of %s %s", bar,
		clock_format_span(done_ns - done_ns % STEP_NS, done, sizeof(done)),
		clock_format_span(total_ns, total, sizeof(total)), shown);
}

void progress_clear(void)
{
	if (drawn)
		fputs("\r\033[K", stderr);
	drawn = false;
}
