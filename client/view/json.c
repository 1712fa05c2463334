/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the JSON format: one object, written as it goes, with what profile.proto holds.
 *
 *   schema: "profd.profile", version: 1 (fields may be added; a changed meaning is a new version)
 *   sample_types: [{type, unit}], default_sample_type, period_type: {type, unit}, period,
 *   time_nanos, duration_nanos, drop_frames, keep_frames, doc_url, comments: [text]
 *   mappings: [{start, limit, offset, file, build_id, has_functions, has_filenames,
 *     has_line_numbers, has_inline_frames}]
 *   functions: [{name, system_name, file, start_line}]
 *   locations: [{address, mapping, is_folded, lines: [{function, line, column}]}]
 *   samples: [{values: [...], stack: [location, leaf first], labels: [{key, value, unit}]}]
 *
 * References are positions in those arrays, from 0, null for none. Addresses are strings ("0x...")
 * since readers keep only 53 bits of a number; a label's value is a string or a number. Text that
 * is not UTF-8 gets U+FFFD where it is not.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/text.h"
#include "view/json_text.h"
#include "view/view.h"

static void put_escape(FILE *out, const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned c = n > 1 ? *s & (0x7fU >> n) : *s < 0x80 ? *s : 0xfffdU;

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3fU);
	if (c >= 0x10000)
		(void)fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + (c & 0x3ff));
	else
		(void)fprintf(out, "\\u%04x", c);
}

/* What a terminal could obey is escaped: JSON is read there, too. */
void json_text(FILE *out, const char *text)
{
	size_t left = strlen(text);

	(void)fputc('"', out);
	while (left) {
		bool printable;
		size_t n = text_char(text, left, &printable);

		if (*text == '"' || *text == '\\')
			(void)fprintf(out, "\\%c", *text);
		else if (!printable)
			put_escape(out, text, n);
		else
			(void)fwrite(text, 1, n, out);
		text += n;
		left -= n;
	}
	(void)fputc('"', out);
}

static void put_text(FILE *out, const char *key, const struct profile *p, uint32_t string)
{
	(void)fprintf(out, "\"%s\":", key);
	json_text(out, profile_text(p, string));
}

static void put_value_type(FILE *out, const struct profile *p, const struct profile_value_type *t)
{
	(void)fputc('{', out);
	put_text(out, "type", p, t->type);
	(void)fputc(',', out);
	put_text(out, "unit", p, t->unit);
	(void)fputc('}', out);
}

/* Between the elements of an array: nothing before the first. */
static void comma(FILE *out, size_t i)
{
	if (i)
		(void)fputc(',', out);
}

static const char *boolean(bool b)
{
	return b ? "true" : "false";
}

static void write_head(FILE *out, const struct profile *p)
{
	(void)fputs("{\"schema\":\"profd.profile\",\"version\":1,\n\"sample_types\":[", out);
	for (uint32_t i = 0; i < p->n_types; i++) {
		comma(out, i);
		put_value_type(out, p, &p->types[i]);
	}
	(void)fputs("],", out);
	put_text(out, "default_sample_type", p, p->default_sample_type);
	(void)fputs(",\n\"period_type\":", out);
	put_value_type(out, p, &p->period_type);
	(void)fprintf(out,
		",\"period\":%" PRId64 ",\"time_nanos\":%" PRId64 ",\"duration_nanos\":%" PRId64
		",\n",
		p->period, p->time_nanos, p->duration_nanos);
	put_text(out, "drop_frames", p, p->drop_frames);
	(void)fputc(',', out);
	put_text(out, "keep_frames", p, p->keep_frames);
	(void)fputc(',', out);
	put_text(out, "doc_url", p, p->doc_url);
	(void)fputs(",\n\"comments\":[", out);
	for (size_t i = 0; i < p->comments.n; i++) {
		comma(out, i);
		json_text(out, profile_text(p, *ARRAY_AT(&p->comments, uint32_t, i)));
	}
	(void)fputc(']', out);
}

static void write_mappings(FILE *out, const struct profile *p)
{
	(void)fputs(",\n\"mappings\":[", out);
	for (size_t i = 0; i < p->mappings.n; i++) {
		const struct profile_mapping *m = ARRAY_AT(&p->mappings, struct profile_mapping, i);
		comma(out, i);
		(void)fprintf(out,
			"\n{\"start\":\"0x%" PRIx64 "\",\"limit\":\"0x%" PRIx64
			"\",\"offset\":\"0x%" PRIx64 "\",",
			m->start, m->limit, m->offset);
		put_text(out, "file", p, m->file);
		(void)fputc(',', out);
		put_text(out, "build_id", p, m->build_id);
		(void)fprintf(out,
			",\"has_functions\":%s,\"has_filenames\":%s,\"has_line_numbers\":%s,"
			"\"has_inline_frames\":%s}",
			boolean(m->has_functions), boolean(m->has_filenames),
			boolean(m->has_line_numbers), boolean(m->has_inline_frames));
	}
	(void)fputc(']', out);
}

static void write_functions(FILE *out, const struct profile *p)
{
	(void)fputs(",\n\"functions\":[", out);
	for (size_t i = 0; i < p->functions.n; i++) {
		const struct profile_function *f =
			ARRAY_AT(&p->functions, struct profile_function, i);
		comma(out, i);
		(void)fputs("\n{", out);
		put_text(out, "name", p, f->name);
		(void)fputc(',', out);
		put_text(out, "system_name", p, f->system_name);
		(void)fputc(',', out);
		put_text(out, "file", p, f->file);
		(void)fprintf(out, ",\"start_line\":%" PRId64 "}", f->start_line);
	}
	(void)fputc(']', out);
}

static void write_location(FILE *out, const struct profile *p, uint32_t i)
{
	const struct profile_location *l = ARRAY_AT(&p->locations, struct profile_location, i);
	uint32_t n;
	const struct profile_line *lines = profile_lines(p, i, &n);

	(void)fprintf(out, "\n{\"address\":\"0x%" PRIx64 "\",\"mapping\":", l->address);
	if (l->mapping == PROFILE_NONE)
		(void)fputs("null", out);
	else
		(void)fprintf(out, "%" PRIu32, l->mapping);
	(void)fprintf(out, ",\"is_folded\":%s,\"lines\":[", boolean(l->is_folded));
	for (uint32_t k = 0; k < n; k++) {
		comma(out, k);
		(void)fprintf(out,
			"{\"function\":%" PRIu32 ",\"line\":%" PRId64 ",\"column\":%" PRId64 "}",
			lines[k].function, lines[k].line, lines[k].column);
	}
	(void)fputs("]}", out);
}

static void write_labels(FILE *out, const struct profile *p, uint32_t set)
{
	uint32_t n;
	const struct profile_label *l = profile_label_set(p, set, &n);

	(void)fputs("],\"labels\":[", out);
	for (uint32_t i = 0; i < n; i++) {
		comma(out, i);
		(void)fputc('{', out);
		put_text(out, "key", p, l[i].key);
		(void)fputs(",\"value\":", out);
		if (l[i].str)
			json_text(out, profile_text(p, l[i].str));
		else
			(void)fprintf(out, "%" PRId64, l[i].num);
		(void)fputc(',', out);
		put_text(out, "unit", p, l[i].num_unit);
		(void)fputc('}', out);
	}
}

static void write_sample(FILE *out, const struct profile *p, size_t i)
{
	const int64_t *values = profile_values(p, i);
	uint32_t n;
	const uint32_t *stack = profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, i), &n);

	(void)fputs("\n{\"values\":[", out);
	for (uint32_t k = 0; k < p->n_types; k++) {
		comma(out, k);
		(void)fprintf(out, "%" PRId64, values[k]);
	}
	(void)fputs("],\"stack\":[", out);
	for (uint32_t k = 0; k < n; k++) {
		comma(out, k);
		(void)fprintf(out, "%" PRIu32, stack[k]);
	}
	write_labels(out, p, *ARRAY_AT(&p->sample_labels, uint32_t, i));
	(void)fputs("]}", out);
}

int view_json(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	(void)o;
	write_head(out, p);
	write_mappings(out, p);
	write_functions(out, p);
	(void)fputs(",\n\"locations\":[", out);
	for (size_t i = 0; i < p->locations.n && !ferror(out); i++) {
		comma(out, i);
		write_location(out, p, (uint32_t)i);
	}
	(void)fputs("],\n\"samples\":[", out);
	for (size_t i = 0; i < profile_n_samples(p) && !ferror(out); i++) {
		comma(out, i);
		write_sample(out, p, i);
	}
	(void)fputs("]}\n", out);
	if (fflush(out) || ferror(out))
		return error_set(
			error, -EIO, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}
