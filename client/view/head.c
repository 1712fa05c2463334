/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the heading of reports (ProfileLabels() of
 * github.com/google/pprof/blob/main/internal/report/ report.go). Names come from files and are made
 * safe.
 */
#include "view/head.h"
#include <string.h>
#include <time.h>
#include "view/frame.h"
#include "view/unit.h"

static void write_line(FILE *out, const char *what, const char *text)
{
	(void)fputs(what, out);
	(void)frame_put(out, text, 0, 0);
	(void)fputc('\n', out);
}

static void write_time(FILE *out, int64_t time_nanos)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(time_nanos / 1000000000);
	struct tm tm;

	if (time_nanos % 1000000000 < 0)
		seconds--;
	if (!localtime_r(&seconds, &tm))
		return;
	(void)fprintf(out, "Time: %s %d, %d at %d:%02d%s (%s)\n", months[tm.tm_mon], tm.tm_mday,
		tm.tm_year + 1900, (tm.tm_hour + 11) % 12 + 1, tm.tm_min,
		tm.tm_hour < 12 ? "am" : "pm", tm.tm_zone);
}

static void write_duration(
	const struct profile *p, uint32_t type, int64_t total, const char *unit, FILE *out)
{
	const char *from = profile_text(p, p->types[type].unit), *scaled;
	char duration[UNIT_TEXT], value[UNIT_TEXT], percent[UNIT_TEXT];
	double ns = unit_scale(total, from, "nanoseconds", &scaled);

	(void)fprintf(out, "Duration: %s, Total samples = %s ",
		unit_label(p->duration_nanos, "nanoseconds", "auto", duration),
		unit_label(total, from, unit, value));
	if (!strcmp(scaled, "ns") && ns != 0)
		(void)fprintf(out, "(%s)", unit_percent((int64_t)ns, p->duration_nanos, percent));
	(void)fputc('\n', out);
}

void head_write(const struct profile *p, uint32_t type, int64_t total, const char *unit, FILE *out)
{
	/* The first mapping is the program's. */
	const struct profile_mapping *m = p->mappings.n ? p->mappings.data : NULL;

	if (m && m->file)
		write_line(out, "File: ", frame_basename(profile_text(p, m->file)));
	if (m && m->build_id)
		write_line(out, "Build ID: ", profile_text(p, m->build_id));
	ARRAY_EACH(&p->comments, uint32_t, c) {
		if (*profile_text(p, *c) != '#')
			write_line(out, "", profile_text(p, *c));
	}
	if (p->types[type].type)
		write_line(out, "Type: ", profile_text(p, p->types[type].type));
	if (p->time_nanos)
		write_time(out, p->time_nanos);
	if (p->duration_nanos)
		write_duration(p, type, total, unit, out);
}
