/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text format: everything that a profile holds, for reading. A head of `key: value` lines,
 * then a block for each sample: its values and labels, then its frames, leaf first. It is not meant
 * to be read back.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "view/frame.h"
#include "view/unit.h"
#include "view/view.h"

static void put(FILE *out, const struct profile *p, uint32_t string)
{
	(void)frame_put(out, profile_text(p, string), 0, 0);
}

static void write_field(FILE *out, const char *key, const struct profile *p, uint32_t string)
{
	if (!string)
		return;
	(void)fprintf(out, "%s: ", key);
	put(out, p, string);
	(void)fputc('\n', out);
}

static void write_value_type(FILE *out, const struct profile *p, const struct profile_value_type *t)
{
	put(out, p, t->type);
	(void)fputc('/', out);
	put(out, p, t->unit);
}

static void write_mapping(FILE *out, const struct profile *p, const struct profile_mapping *m)
{
	(void)fprintf(out, "mapping: 0x%" PRIx64 "-0x%" PRIx64 " +0x%" PRIx64 " ", m->start,
		m->limit, m->offset);
	put(out, p, m->file);
	if (m->build_id) {
		(void)fputs(" build-id ", out);
		put(out, p, m->build_id);
	}
	(void)fprintf(out, "%s%s%s%s\n", m->has_functions ? " functions" : "",
		m->has_filenames ? " files" : "", m->has_line_numbers ? " lines" : "",
		m->has_inline_frames ? " inlines" : "");
}

static void write_head(FILE *out, const struct profile *p)
{
	char text[64];

	(void)fputs("sample types: ", out);
	for (uint32_t i = 0; i < p->n_types; i++) {
		(void)fputs(i ? ", " : "", out);
		write_value_type(out, p, &p->types[i]);
	}
	(void)fputc('\n', out);
	write_field(out, "default sample type", p, p->default_sample_type);
	if (p->period_type.type || p->period) {
		(void)fprintf(out, "period: %" PRId64 " ", p->period);
		write_value_type(out, p, &p->period_type);
		(void)fputc('\n', out);
	}
	if (p->time_nanos > 0)
		(void)fprintf(out, "time: %s\n",
			clock_format_point((uint64_t)p->time_nanos, text, sizeof(text)));
	if (p->duration_nanos > 0)
		(void)fprintf(out, "duration: %s\n",
			clock_format_span((uint64_t)p->duration_nanos, text, sizeof(text)));
	write_field(out, "drop frames", p, p->drop_frames);
	write_field(out, "keep frames", p, p->keep_frames);
	write_field(out, "doc url", p, p->doc_url);
	ARRAY_EACH(&p->comments, uint32_t, c)
		write_field(out, "comment", p, *c);
	ARRAY_EACH(&p->mappings, struct profile_mapping, m)
		write_mapping(out, p, m);
	(void)fprintf(out, "samples: %zu\n", profile_n_samples(p));
}

static void write_labels(FILE *out, const struct profile *p, uint32_t set)
{
	uint32_t n;
	const struct profile_label *l = profile_label_set(p, set, &n);

	for (uint32_t i = 0; i < n; i++) {
		(void)fputs("  ", out);
		put(out, p, l[i].key);
		(void)fputc('=', out);
		if (l[i].str) {
			put(out, p, l[i].str);
			continue;
		}
		(void)fprintf(out, "%" PRId64, l[i].num);
		if (l[i].num_unit) {
			(void)fputc(' ', out);
			put(out, p, l[i].num_unit);
		}
	}
}

static void write_line(FILE *out, const struct profile *p, const struct profile_line *line)
{
	const struct profile_function *f =
		ARRAY_AT(&p->functions, struct profile_function, line->function);

	put(out, p, f->name ?: f->system_name);
	if (f->file) {
		(void)fputc(' ', out);
		put(out, p, f->file);
		if (line->line)
			(void)fprintf(out, ":%" PRId64, line->line);
		if (line->line && line->column)
			(void)fprintf(out, ":%" PRId64, line->column);
	}
}

static void write_frame(FILE *out, const struct profile *p, uint32_t location)
{
	const struct profile_location *l =
		ARRAY_AT(&p->locations, struct profile_location, location);
	const char *module = frame_module(p, l->mapping);
	uint32_t n;
	const struct profile_line *lines = profile_lines(p, location, &n);

	/* Inlined callees first, and then the function whose code it is, with the address. */
	for (uint32_t i = 0; i + 1 < n; i++) {
		(void)fprintf(out, "    %16s  ", "(inlined)");
		write_line(out, p, &lines[i]);
		(void)fputc('\n', out);
	}
	(void)fprintf(out, "    %16" PRIx64 "  ", l->address);
	if (n)
		write_line(out, p, &lines[n - 1]);
	else
		(void)fputs("??", out);
	if (*module) {
		(void)fputs(" (", out);
		(void)frame_put(out, module, 0, 0);
		(void)fputc(')', out);
	}
	(void)fputs(l->is_folded ? " [folded]\n" : "\n", out);
}

static void write_sample(FILE *out, const struct profile *p, size_t i)
{
	const int64_t *values = profile_values(p, i);
	uint32_t n;
	const uint32_t *stack = profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, i), &n);

	(void)fputc('\n', out);
	for (uint32_t k = 0; k < p->n_types; k++) {
		char text[UNIT_TEXT];
		(void)fputs(k ? "  " : "", out);
		put(out, p, p->types[k].type);
		(void)fprintf(out, "=%s",
			unit_label(values[k], profile_text(p, p->types[k].unit), "auto", text));
	}
	write_labels(out, p, *ARRAY_AT(&p->sample_labels, uint32_t, i));
	(void)fputc('\n', out);
	for (uint32_t k = 0; k < n; k++)
		write_frame(out, p, stack[k]);
}

int view_text(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	size_t n = profile_n_samples(p);

	if (o->n > 0)
		n = MIN(n, (size_t)o->n);
	write_head(out, p);
	for (size_t i = 0; i < n && !ferror(out); i++)
		write_sample(out, p, i);
	if (fflush(out) || ferror(out))
		return error_set(
			error, -EIO, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}
