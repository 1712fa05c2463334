/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns speedscope's format (https://www.speedscope.app/file-format-schema.json): the frames once,
 * and for each sample type a `sampled` profile whose weights are its values. Weights are not
 * negative there: in a difference of profiles, what became less is left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/json_text.h"
#include "view/unit.h"
#include "view/view.h"

struct unit_name {
	const char *from, *to;
};

/* What speedscope has names for; anything else is "none". */
static const char *unit_name(const char *unit)
{
	static const struct unit_name names[] = {
		{ "nanoseconds", "nanoseconds" },
		{ "ns", "nanoseconds" },
		{ "microseconds", "microseconds" },
		{ "us", "microseconds" },
		{ "milliseconds", "milliseconds" },
		{ "ms", "milliseconds" },
		{ "seconds", "seconds" },
		{ "s", "seconds" },
		{ "bytes", "bytes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i].from, unit))
			return names[i].to;
	return "none";
}

static void comma(FILE *out, size_t i)
{
	if (i)
		(void)fputc(',', out);
}

/* Frame i is line i of the profile, then come the locations that have no line. */
static void write_frames(const struct profile *p, FILE *out)
{
	for (size_t i = 0; i < p->lines.n; i++) {
		const struct profile_line *l = ARRAY_AT(&p->lines, struct profile_line, i);
		const struct profile_function *f =
			ARRAY_AT(&p->functions, struct profile_function, l->function);
		_cleanup_free_ char *owned = NULL;
		const char *name = frame_function_name(p, f, &owned);
		comma(out, i);
		(void)fputs("\n{\"name\":", out);
		json_text(out, *name ? name : "[unknown]");
		if (f->file) {
			(void)fputs(",\"file\":", out);
			json_text(out, profile_text(p, f->file));
		}
		if (l->line > 0)
			(void)fprintf(out, ",\"line\":%" PRId64, l->line);
		if (l->line > 0 && l->column > 0)
			(void)fprintf(out, ",\"col\":%" PRId64, l->column);
		(void)fputc('}', out);
	}
	for (size_t i = 0; i < p->locations.n; i++) {
		const struct profile_location *l =
			ARRAY_AT(&p->locations, struct profile_location, i);
		const char *module = frame_basename(frame_module(p, l->mapping));
		comma(out, i + p->lines.n);
		(void)fputs("\n{\"name\":", out);
		json_text(out, *module ? module : "[unknown]");
		(void)fputc('}', out);
	}
}

static void write_stack(const struct profile *p, uint32_t stack, FILE *out)
{
	uint32_t n, n_lines, first = 1;
	const uint32_t *locations = profile_stack(p, stack, &n);

	(void)fputc('[', out);
	for (uint32_t i = n; i-- > 0;) {
		(void)profile_lines(p, locations[i], &n_lines);
		size_t line =
			ARRAY_AT(&p->locations, struct profile_location, locations[i])->first_line;
		if (!n_lines)
			(void)fprintf(out, "%s%zu", first ? "" : ",", p->lines.n + locations[i]);
		for (uint32_t k = n_lines; k-- > 0; first = 0)
			(void)fprintf(out, "%s%zu", first ? "" : ",", line + k);
		first = 0;
	}
	(void)fputc(']', out);
}

static void write_profile(const struct profile *p, uint32_t type, FILE *out)
{
	int64_t total = 0;
	size_t shown = 0;

	for (size_t i = 0; i < profile_n_samples(p); i++)
		total = unit_add(total, MAX(profile_values(p, i)[type], 0));
	(void)fputs("\n{\"type\":\"sampled\",\"name\":", out);
	json_text(out, profile_text(p, p->types[type].type));
	(void)fprintf(out,
		",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%" PRId64 ",\"samples\":[",
		unit_name(profile_text(p, p->types[type].unit)), total);
	for (size_t i = 0; i < profile_n_samples(p) && !ferror(out); i++) {
		if (profile_values(p, i)[type] <= 0)
			continue;
		comma(out, shown++);
		write_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, i), out);
	}
	(void)fputs("],\n\"weights\":[", out);
	shown = 0;
	for (size_t i = 0; i < profile_n_samples(p) && !ferror(out); i++) {
		int64_t value = profile_values(p, i)[type];
		if (value <= 0)
			continue;
		comma(out, shown++);
		(void)fprintf(out, "%" PRId64, value);
	}
	(void)fputs("]}", out);
}

int view_speedscope(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	uint32_t type;
	int r = view_sample_index(p, o->sample_index, &type, error);

	if (r < 0)
		return r;
	(void)fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
		    "\"exporter\":\"profd@" PROFD_VERSION "\",\"name\":",
		out);
	json_text(out, p->mappings.n ? frame_basename(frame_module(p, 0)) : "profile");
	(void)fprintf(out, ",\"activeProfileIndex\":%" PRIu32 ",\n\"shared\":{\"frames\":[", type);
	write_frames(p, out);
	(void)fputs("]},\n\"profiles\":[", out);
	for (uint32_t i = 0; i < p->n_types; i++) {
		comma(out, i);
		write_profile(p, i, out);
	}
	(void)fputs("]}\n", out);
	if (fflush(out) || ferror(out))
		return error_set(
			error, -EIO, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}
