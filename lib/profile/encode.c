/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns writing profile.proto (github.com/google/pprof/blob/main/proto/profile.proto): each message
 * is sized first, then written through one buffer into one deflate stream, so that the extra memory
 * does not depend on the profile. Trusts the model: indices were checked when it was built.
 *
 * Samples come before the tables that they refer to and the strings last, as Go writes them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "profile/pprof.h"

#define BUFFER_BYTES 65536U
#define VARINT_MAX   10U
#define GZIP_WINDOW  (MAX_WBITS + 16) /* zlib.h: a gzip header instead of zlib's */

struct sink {
	int fd, error;
	bool deflating;
	z_stream z;
	size_t n;
	uint8_t plain[BUFFER_BYTES], packed[BUFFER_BYTES];
};

static void sink_free(struct sink *s)
{
	if (s && s->deflating)
		(void)deflateEnd(&s->z);
	free(s);
}
DEFINE_CLEANUP(struct sink *, sink_free)

static void sink_flush(struct sink *s, int flush)
{
	if (s->error)
		return;
	if (!s->deflating) {
		s->error = io_write_full(s->fd, s->plain, s->n);
		s->n = 0;
		return;
	}
	s->z.next_in = s->plain;
	s->z.avail_in = (uInt)s->n;
	s->n = 0;
	int r;
	do {
		s->z.next_out = s->packed;
		s->z.avail_out = sizeof(s->packed);
		r = deflate(&s->z, flush);
		if (r == Z_STREAM_ERROR) {
			s->error = -EIO;
			return;
		}
		s->error = io_write_full(s->fd, s->packed, sizeof(s->packed) - s->z.avail_out);
	} while (!s->error && (s->z.avail_out == 0 || (flush == Z_FINISH && r != Z_STREAM_END)));
}

static void put(struct sink *s, const void *data, size_t n)
{
	const uint8_t *at = data;

	while (n && !s->error) {
		size_t room = sizeof(s->plain) - s->n;
		size_t part = MIN(n, room);

		memcpy(s->plain + s->n, at, part);
		s->n += part;
		at += part;
		n -= part;
		if (s->n == sizeof(s->plain))
			sink_flush(s, Z_NO_FLUSH);
	}
}

static void put_varint(struct sink *s, uint64_t v)
{
	if (sizeof(s->plain) - s->n < VARINT_MAX)
		sink_flush(s, Z_NO_FLUSH);
	if (s->error)
		return;
	while (v >= 0x80) {
		s->plain[s->n++] = (uint8_t)v | 0x80;
		v >>= 7;
	}
	s->plain[s->n++] = (uint8_t)v;
}

static size_t varint_size(uint64_t v)
{
	return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

/* Field numbers here are below 16: a tag is one byte. Zero is the default and is left out. */
static size_t int_size(uint64_t v)
{
	return v ? 1 + varint_size(v) : 0;
}

static void put_int(struct sink *s, unsigned field, uint64_t v)
{
	if (!v)
		return;
	put_varint(s, field << 3);
	put_varint(s, v);
}

static size_t message_size(size_t n)
{
	return 1 + varint_size(n) + n;
}

static void put_head(struct sink *s, unsigned field, size_t n)
{
	put_varint(s, field << 3 | 2);
	put_varint(s, n);
}

static void put_value_type(struct sink *s, unsigned field, const struct profile_value_type *t)
{
	put_head(s, field, int_size(t->type) + int_size(t->unit));
	put_int(s, 1, t->type);
	put_int(s, 2, t->unit);
}

static size_t label_size(const struct profile_label *l)
{
	return int_size(l->key) + int_size(l->str) + int_size((uint64_t)l->num) +
	       int_size(l->num_unit);
}

static void put_sample(struct sink *s, const struct profile *p, size_t i)
{
	uint32_t stack_n, labels_n;
	const uint32_t *locations =
		profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, i), &stack_n);
	const struct profile_label *labels =
		profile_label_set(p, *ARRAY_AT(&p->sample_labels, uint32_t, i), &labels_n);
	const int64_t *values = profile_values(p, i);
	size_t locations_n = 0, values_n = 0, n = 0;

	for (uint32_t k = 0; k < stack_n; k++)
		locations_n += varint_size((uint64_t)locations[k] + 1);
	for (uint32_t k = 0; k < p->n_types; k++)
		values_n += varint_size((uint64_t)values[k]);
	for (uint32_t k = 0; k < labels_n; k++)
		n += message_size(label_size(&labels[k]));
	n += stack_n ? message_size(locations_n) : 0;
	n += p->n_types ? message_size(values_n) : 0;

	put_head(s, 2, n);
	if (stack_n) {
		put_head(s, 1, locations_n);
		for (uint32_t k = 0; k < stack_n; k++)
			put_varint(s, (uint64_t)locations[k] + 1);
	}
	if (p->n_types) {
		put_head(s, 2, values_n);
		for (uint32_t k = 0; k < p->n_types; k++)
			put_varint(s, (uint64_t)values[k]);
	}
	for (uint32_t k = 0; k < labels_n; k++) {
		put_head(s, 3, label_size(&labels[k]));
		put_int(s, 1, labels[k].key);
		put_int(s, 2, labels[k].str);
		put_int(s, 3, (uint64_t)labels[k].num);
		put_int(s, 4, labels[k].num_unit);
	}
}

static void put_mapping(struct sink *s, const struct profile_mapping *m, uint64_t id)
{
	put_head(s, 3,
		int_size(id) + int_size(m->start) + int_size(m->limit) + int_size(m->offset) +
			int_size(m->file) + int_size(m->build_id) + int_size(m->has_functions) +
			int_size(m->has_filenames) + int_size(m->has_line_numbers) +
			int_size(m->has_inline_frames));
	put_int(s, 1, id);
	put_int(s, 2, m->start);
	put_int(s, 3, m->limit);
	put_int(s, 4, m->offset);
	put_int(s, 5, m->file);
	put_int(s, 6, m->build_id);
	put_int(s, 7, m->has_functions);
	put_int(s, 8, m->has_filenames);
	put_int(s, 9, m->has_line_numbers);
	put_int(s, 10, m->has_inline_frames);
}

static size_t line_size(const struct profile_line *l)
{
	return int_size((uint64_t)l->function + 1) + int_size((uint64_t)l->line) +
	       int_size((uint64_t)l->column);
}

static void put_location(
	struct sink *s, const struct profile *p, const struct profile_location *l, uint64_t id)
{
	uint32_t n_lines;
	const struct profile_line *lines = profile_lines(p, (uint32_t)(id - 1), &n_lines);
	uint64_t mapping = l->mapping == PROFILE_NONE ? 0 : (uint64_t)l->mapping + 1;
	size_t n = int_size(id) + int_size(mapping) + int_size(l->address) + int_size(l->is_folded);

	for (uint32_t i = 0; i < n_lines; i++)
		n += message_size(line_size(&lines[i]));
	put_head(s, 4, n);
	put_int(s, 1, id);
	put_int(s, 2, mapping);
	put_int(s, 3, l->address);
	for (uint32_t i = 0; i < n_lines; i++) {
		put_head(s, 4, line_size(&lines[i]));
		put_int(s, 1, (uint64_t)lines[i].function + 1);
		put_int(s, 2, (uint64_t)lines[i].line);
		put_int(s, 3, (uint64_t)lines[i].column);
	}
	put_int(s, 5, l->is_folded);
}

static void put_function(struct sink *s, const struct profile_function *f, uint64_t id)
{
	put_head(s, 5,
		int_size(id) + int_size(f->name) + int_size(f->system_name) + int_size(f->file) +
			int_size((uint64_t)f->start_line));
	put_int(s, 1, id);
	put_int(s, 2, f->name);
	put_int(s, 3, f->system_name);
	put_int(s, 4, f->file);
	put_int(s, 5, (uint64_t)f->start_line);
}

static void put_strings(struct sink *s, const struct profile *p)
{
	for (size_t i = 0; i < p->strings.spans.n && !s->error; i++) {
		size_t n = 0;
		const char *text = strings_get(&p->strings, (uint32_t)i, &n);

		put_head(s, 6, n);
		put(s, text, n);
	}
}

static void put_rest(struct sink *s, const struct profile *p)
{
	put_int(s, 7, p->drop_frames);
	put_int(s, 8, p->keep_frames);
	put_int(s, 9, (uint64_t)p->time_nanos);
	put_int(s, 10, (uint64_t)p->duration_nanos);
	if (p->period_type.type || p->period_type.unit)
		put_value_type(s, 11, &p->period_type);
	put_int(s, 12, (uint64_t)p->period);
	/* Not packed, and with zeroes: each is an element. */
	ARRAY_EACH(&p->comments, uint32_t, c) {
		put_varint(s, 13 << 3);
		put_varint(s, *c);
	}
	put_int(s, 14, p->default_sample_type);
	put_int(s, 15, p->doc_url);
}

static void put_profile(struct sink *s, const struct profile *p)
{
	uint64_t id = 0;

	for (uint32_t i = 0; i < p->n_types; i++)
		put_value_type(s, 1, &p->types[i]);
	for (size_t i = 0; i < profile_n_samples(p) && !s->error; i++)
		put_sample(s, p, i);
	ARRAY_EACH(&p->mappings, struct profile_mapping, m)
		put_mapping(s, m, ++id);
	id = 0;
	ARRAY_EACH(&p->locations, struct profile_location, l)
		put_location(s, p, l, ++id);
	id = 0;
	ARRAY_EACH(&p->functions, struct profile_function, f)
		put_function(s, f, ++id);
	put_strings(s, p);
	put_rest(s, p);
}

int pprof_write(const struct profile *p, int fd, int gzip_level)
{
	if (gzip_level < 0 || gzip_level > 9)
		return -EINVAL;
	CLEANUP(sink_freep) struct sink *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = fd;
	if (gzip_level > 0) {
		if (deflateInit2(&s->z, gzip_level, Z_DEFLATED, GZIP_WINDOW, 8,
			    Z_DEFAULT_STRATEGY) != Z_OK)
			return -ENOMEM;
		s->deflating = true;
	}
	put_profile(s, p);
	sink_flush(s, Z_FINISH);
	return s->error;
}
