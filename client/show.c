/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how answers look. Names come from targets and peers: io_printable() is between them and the
 * terminal, in JSON as well, because that is looked at in terminals too.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/show.h"
#include "client/verb.h"

void show_table_deinit(struct show_table *t)
{
	ARRAY_EACH(&t->cells, struct show_cell, cell)
		free(cell->text);
	array_deinit(&t->cells);
}

void show_cell(struct show_table *t, const char *format, ...)
{
	_cleanup_free_ char *raw = NULL;
	struct show_cell *cell = array_push(&t->cells);
	va_list ap;
	int n;

	if (!cell)
		return;
	va_start(ap, format);
	n = vasprintf(&raw, format, ap);
	va_end(ap);
	if (n < 0) {
		raw = NULL;
		return;
	}
	cell->text = malloc((size_t)n + 2);
	if (cell->text)
		io_printable(n ? raw : "-", cell->text, (size_t)n + 2);
}

static size_t cell_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

int show_table_print(const struct show_table *t)
{
	size_t widths[64] = { 0 };
	size_t i = 0;

	if (t->cells.n % t->columns)
		return -ENOMEM;
	ARRAY_EACH(&t->cells, struct show_cell, cell) {
		if (!cell->text)
			return -ENOMEM;
		widths[i % t->columns] = MAX(widths[i % t->columns], cell_width(cell->text));
		i++;
	}
	i = 0;
	ARRAY_EACH(&t->cells, struct show_cell, cell) {
		unsigned column = i++ % t->columns;
		int pad = (int)(widths[column] - cell_width(cell->text));
		bool last = column == t->columns - 1, right = t->right >> column & 1;

		printf("%*s%s%*s%s", right ? pad : 0, "", cell->text, right || last ? 0 : pad, "",
			last ? "\n" : "  ");
	}
	return 0;
}

json_t *show_json_text(const char *text)
{
	size_t n = strlen(text) + 1;
	_cleanup_free_ char *safe = malloc(n);

	return safe ? json_string(io_printable(text, safe, n)) : NULL;
}

json_t *show_json_time(uint64_t wall_ns)
{
	time_t seconds = wall_ns / NS_PER_SEC;
	char text[64];
	struct tm tm;

	if (!wall_ns || !gmtime_r(&seconds, &tm))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

json_t *show_json_attachment(const Profd__V1__Attachment *a)
{
	json_t *types = json_array();

	for (size_t i = 0; i < a->n_types; i++)
		json_array_append_new(types, show_json_text(a->types[i]));
	/* Where no waits are collected, there is no threshold. */
	json_t *threshold = a->threshold_ns || a->threshold_all
				    ? json_integer((json_int_t)a->threshold_ns)
				    : json_null();

	return json_pack("{s:I, s:o, s:o, s:I, s:o, s:o, s:I, s:o, s:I, s:I, s:o, s:o}", "id",
		(json_int_t)a->id, "target", show_json_text(a->target), "types", types, "freq_hz",
		(json_int_t)a->freq_hz, "event", show_json_text(a->event), "unwind",
		show_json_text(a->unwind), "owner_uid", (json_int_t)a->owner_uid, "since",
		show_json_time(a->since_wall_ns), "processes", (json_int_t)a->processes, "samples",
		(json_int_t)a->samples, "state", show_json_text(a->state), "threshold_ns",
		threshold);
}

int show_json(json_t *object)
{
	struct error error = ERROR_INIT;
	int r;

	if (!object) {
		error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
		return complain(&error);
	}
	r = json_dumpf(object, stdout, JSON_INDENT(2));
	json_decref(object);
	if (r == 0)
		putchar('\n');
	return EXIT_CODE_OK;
}

const char *show_user(uint32_t uid, char *buf, size_t n)
{
	struct passwd pw, *found = NULL;
	char room[4096];

	if (getpwuid_r(uid, &pw, room, sizeof(room), &found) == 0 && found)
		snprintf(buf, n, "%s", found->pw_name);
	else
		snprintf(buf, n, "%u", uid);
	return buf;
}

const char *show_types(const Profd__V1__Attachment *a, char *buf, size_t n)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; i < a->n_types && at < n; i++)
		at += snprintf(buf + at, n - at, "%s%s", i ? "," : "", a->types[i]);
	return buf;
}

const char *show_threshold(const Profd__V1__Attachment *a, char *buf, size_t n)
{
	buf[0] = 0;
	if (a->threshold_all)
		snprintf(buf, n, "0");
	else if (a->threshold_ns)
		clock_format_span(a->threshold_ns, buf, n);
	return buf;
}

const char *show_collected(const Profd__V1__Attachment *a, char *buf, size_t n)
{
	char threshold[64];
	size_t at = strlen(show_types(a, buf, n));

	if (a->freq_hz)
		at += snprintf(buf + at, n - at, " at %u Hz", a->freq_hz);
	if (at >= n || !*show_threshold(a, threshold, sizeof(threshold)))
		return buf;
	if (a->threshold_all)
		snprintf(buf + at, n - at, ", every wait");
	else
		snprintf(buf + at, n - at, ", all waits of %s and longer", threshold);
	return buf;
}

const char *show_event_set(const Profd__V1__EventSet *e, char *buf, size_t n)
{
	if (e->freq_hz)
		snprintf(buf, n, "%s at %u Hz", e->event, e->freq_hz);
	else
		snprintf(buf, n, "%s", e->event);
	return buf;
}

void show_counted(
	const Profd__V1__EventSet *e, struct show_counted ret[SHOW_COUNTED], size_t *ret_n)
{
	/* Without a rate it is what happens to threads, each time that it does. */
	const struct show_counted all[SHOW_COUNTED] = {
		{ "triggered",
			e->freq_hz ? "samples the event asked for" : "times that it happened",
			e->triggered },
		{ "stored", "kept", e->stored },
		{ "idle", "the CPU was idle", e->idle },
		{ "filtered",
			e->freq_hz ? "nobody's target"
				   : "nobody's target, or short and not kept by its length",
			e->filtered },
		{ "not_run", "ticks that came late and were merged, or that the kernel skipped",
			e->not_run },
	};

	*ret_n = 0;
	for (size_t i = 0; i < SHOW_COUNTED; i++)
		if (e->freq_hz || all[i].value || i < 2)
			ret[(*ret_n)++] = all[i];
}

const char *show_bytes(uint64_t bytes, char *buf, size_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = bytes;
	size_t unit = 0;

	while (v >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		unit++;
	}
	snprintf(buf, n, unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return buf;
}
