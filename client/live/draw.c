/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the layout. Names are safe already (rows.c); frame_put() cuts them to the width. */
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "live/draw.h"
#include "view/frame.h"
#include "view/unit.h"

#define HEAD_LINES  3U /* what, keys, columns */
#define NAME_COLUMN 34U

static void put_values(const struct draw *d, const struct row *row, FILE *out)
{
	char flat[UNIT_TEXT], cum[UNIT_TEXT], flat_share[UNIT_TEXT], cum_share[UNIT_TEXT];

	(void)fprintf(out, "%9s %s %9s %s", unit_label(row->flat, d->rows->unit, "auto", flat),
		unit_percent(row->flat, d->rows->total, flat_share),
		unit_label(row->cum, d->rows->unit, "auto", cum),
		unit_percent(row->cum, d->rows->total, cum_share));
}

static const int64_t *cells_of(const struct draw *d, const char *name)
{
	const struct history_entry *e = history_find(d->history, name);

	return !e ? NULL : d->cum ? e->cum : e->flat;
}

/* The tallest bar of all rows: they can be compared. */
static int64_t tallest(const struct draw *d)
{
	int64_t most = 1;

	ARRAY_EACH(&d->rows->all, struct row, row) {
		const int64_t *cells = cells_of(d, row->name);

		for (size_t i = 0; cells && i < HISTORY_CELLS; i++)
			most = MAX(most, cells[i]);
	}
	return most;
}

static void put_bars(const struct draw *d, const char *name, int64_t most, FILE *out)
{
	static const char *const fine[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const coarse[] = { " ", ".", ".", ":", ":", "+", "+", "#", "#" };
	const int64_t *cells = cells_of(d, name);

	for (size_t i = HISTORY_CELLS; i-- > 0;) {
		double share = cells && cells[i] > 0 ? (double)cells[i] / (double)most : 0;
		size_t level = share > 0 ? 1 + (size_t)(share * 7.999) : 0;

		(void)fputs((d->utf8 ? fine : coarse)[MIN(level, 8U)], out);
	}
}

/* How much of it goes on at once, of what is time: threads that run or wait, on average. */
static const char *rate_of(const struct draw *d, char buf[UNIT_TEXT])
{
	bool is_cpu = !strcmp(d->type, "cpu");

	buf[0] = '\0';
	if (d->span_ns && !strcmp(d->rows->unit, "nanoseconds"))
		(void)snprintf(buf, UNIT_TEXT, " (%.2f %s)",
			(double)d->rows->total / (double)d->span_ns, is_cpu ? "CPUs" : "threads");
	return buf;
}

/* One line of at most `width` columns. */
static void put_line(const struct draw *d, const char *text, FILE *out)
{
	(void)frame_put(out, text, 0, d->width);
	(void)fputs("\033[K", out);
}

static void put_head(const struct draw *d, FILE *out)
{
	char text[768], span[64] = "", load[UNIT_TEXT], rate[UNIT_TEXT];

	if (d->span_ns)
		(void)clock_format_span(d->span_ns / NS_PER_MS * NS_PER_MS, span, sizeof(span));
	(void)snprintf(text, sizeof(text), "%s of %.200s by %s%s%.200s%s, %s in %s%s%s%s%.60s",
		d->type, d->target, rows_by_names[d->by], *d->focus ? ": " : "", d->focus,
		d->callers ? " and who calls it" : "",
		unit_label(d->rows->total, d->rows->unit, "auto", load), *span ? span : "-",
		rate_of(d, rate), d->paused ? "  PAUSED" : "", *d->filter ? "  /" : "", d->filter);
	(void)fputs("\033[1m", out);
	put_line(d, text, out);
	(void)fputs("\033[0m\r\n", out);
	if (d->typed) {
		(void)snprintf(text, sizeof(text), "filter: %s_", d->typed);
		put_line(d, text, out);
	} else if (*d->note) {
		put_line(d, d->note, out);
	} else {
		put_line(d,
			"q quit  space pause  c flat/cum  f/t/p/w by function/thread/process/state "
			" / "
			"filter  "
			"Enter into  Backspace back",
			out);
	}
	(void)fprintf(out, "\r\n\033[7m");
	(void)snprintf(text, sizeof(text), "%9s %6s %9s %6s  %s", d->cum ? "flat" : "FLAT", "flat%",
		d->cum ? "CUM" : "cum", "cum%", "");
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%-15s  name",
		d->history ? "last minute" : "");
	put_line(d, text, out);
	(void)fputs("\033[0m", out);
}

static void put_row(const struct draw *d, size_t i, int64_t most, FILE *out)
{
	const struct row *row = ARRAY_AT(&d->rows->all, struct row, i);
	unsigned used = NAME_COLUMN + 2 + (d->history ? HISTORY_CELLS + 2 : 0);

	(void)fputs("\r\n", out);
	if (i == d->selected)
		(void)fputs("\033[7m", out);
	if (d->width >= NAME_COLUMN + 2) {
		put_values(d, row, out);
		(void)fputs("  ", out);
	}
	if (d->history && d->width >= used) {
		put_bars(d, row->name, most, out);
		(void)fputs("  ", out);
	} else {
		used = d->width >= NAME_COLUMN + 2 ? NAME_COLUMN + 2 : 0;
	}
	if (d->width > used)
		(void)frame_put(out, row->name, 0, d->width - used);
	(void)fputs("\033[K\033[0m", out);
}

void draw_screen(const struct draw *d, FILE *out)
{
	size_t room = d->height > HEAD_LINES ? d->height - HEAD_LINES : 0;
	size_t first = d->selected >= room && room ? d->selected - room + 1 : 0;
	int64_t most = d->history ? tallest(d) : 1;

	(void)fputs("\033[H", out);
	if (room == 0) {
		put_line(d, "too small", out);
		return;
	}
	put_head(d, out);
	for (size_t i = first; i < d->rows->all.n && i < first + room; i++)
		put_row(d, i, most, out);
	(void)fputs("\033[J", out);
}

void draw_plain(const struct draw *d, size_t n, FILE *out)
{
	char span[64], total[UNIT_TEXT], rate[UNIT_TEXT];

	(void)fprintf(out, "%s of %s by %s, %s in %s%s\n", d->type, d->target, rows_by_names[d->by],
		unit_label(d->rows->total, d->rows->unit, "auto", total),
		clock_format_span(d->span_ns / NS_PER_MS * NS_PER_MS, span, sizeof(span)),
		rate_of(d, rate));
	if (*d->note)
		(void)fprintf(out, "%s\n", d->note);
	(void)fprintf(out, "%9s %6s %9s %6s  name\n", "flat", "flat%", "cum", "cum%");
	for (size_t i = 0; i < d->rows->all.n && i < n; i++) {
		const struct row *row = ARRAY_AT(&d->rows->all, struct row, i);

		put_values(d, row, out);
		(void)fprintf(out, "  %s\n", row->name);
	}
}
