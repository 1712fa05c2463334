/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading the small messages of profile.proto (github.com/google/pprof/blob/main/proto/
 * profile.proto) into the columns of a profile. The input is hostile: ids and string numbers are
 * only noted here and checked in resolve.c, since writers put the tables before or after the
 * samples.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "profile/decode.h"
#include "profile/field.h"

int decoder_bad(struct decoder *d, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(d->error, -EBADMSG, EXIT_CODE_FAILED, "not a valid profile: %s", text);
}

int decoder_damaged(struct decoder *d)
{
	return decoder_bad(
		d, "damaged before byte %llu", (unsigned long long)source_offset(d->source));
}

int decoder_id_failed(struct decoder *d, int r, const char *what, uint64_t id)
{
	if (r == -EINVAL)
		return decoder_bad(d, "%s 0 is used; ids begin with 1", what);
	if (r == -EEXIST)
		return decoder_bad(d, "%s %llu is defined twice", what, (unsigned long long)id);
	return r;
}

int decode_value_type(struct decoder *d, const struct field *in, struct profile_value_type *ret)
{
	struct profile_value_type t = { 0 };
	struct message m = message_of(in);
	struct field f;
	int r;

	while ((r = next_field(&m, &f)) > 0) {
		if ((f.number == 1 && !string_number(&f, &t.type)) ||
			(f.number == 2 && !string_number(&f, &t.unit)))
			return decoder_damaged(d);
	}
	if (r < 0)
		return decoder_damaged(d);
	*ret = t;
	return 0;
}

int decode_sample_type(struct decoder *d, const struct field *in)
{
	struct profile *p = d->profile;

	if (p->n_types == PROFILE_MAX_TYPES)
		return decoder_bad(d, "more than %d sample types", PROFILE_MAX_TYPES);
	int r = decode_value_type(d, in, &p->types[p->n_types]);
	if (r >= 0)
		p->n_types++;
	return r;
}

int decode_mapping(struct decoder *d, const struct field *in)
{
	struct profile_mapping new = { 0 };
	struct message m = message_of(in);
	uint64_t id = 0;
	struct field f;
	int r;

	while ((r = next_field(&m, &f)) > 0) {
		if (f.number > 10)
			continue;
		if (!is_varint(&f) || (f.number == 5 && !string_number(&f, &new.file)) ||
			(f.number == 6 && !string_number(&f, &new.build_id)))
			return decoder_damaged(d);
		switch (f.number) {
		case 1:
			id = f.value;
			break;
		case 2:
			new.start = f.value;
			break;
		case 3:
			new.limit = f.value;
			break;
		case 4:
			new.offset = f.value;
			break;
		case 7:
			new.has_functions = f.value;
			break;
		case 8:
			new.has_filenames = f.value;
			break;
		case 9:
			new.has_line_numbers = f.value;
			break;
		case 10:
			new.has_inline_frames = f.value;
			break;
		}
	}
	if (r < 0)
		return decoder_damaged(d);
	r = idmap_define(&d->mappings, id, (uint32_t)d->profile->mappings.n);
	if (r < 0)
		return decoder_id_failed(d, r, "mapping", id);
	struct profile_mapping *slot = array_push(&d->profile->mappings);
	if (!slot)
		return -ENOMEM;
	*slot = new;
	return 0;
}

static int decode_line(struct decoder *d, const struct field *in)
{
	struct profile_line line = { 0 };
	struct message m = message_of(in);
	uint64_t function = 0;
	struct field f;
	int r;

	while ((r = next_field(&m, &f)) > 0) {
		if (f.number <= 3 && !is_varint(&f))
			return decoder_damaged(d);
		if (f.number == 1)
			function = f.value;
		else if (f.number == 2)
			line.line = (int64_t)f.value;
		else if (f.number == 3)
			line.column = (int64_t)f.value;
	}
	if (r < 0)
		return decoder_damaged(d);
	r = idmap_slot(&d->functions, function, &line.function);
	if (r < 0)
		return decoder_id_failed(d, r, "function", function);
	struct profile_line *new = array_push(&d->profile->lines);
	if (!new)
		return -ENOMEM;
	*new = line;
	return 0;
}

int decode_location(struct decoder *d, const struct field *in)
{
	struct profile *p = d->profile;
	struct profile_location new = { .mapping = PROFILE_NONE,
		.first_line = (uint32_t)p->lines.n };
	struct message m = message_of(in);
	uint64_t id = 0, mapping = 0;
	struct field f;
	int r;

	while ((r = next_field(&m, &f)) > 0) {
		if (f.number > 5)
			continue;
		if (f.wire != (f.number == 4 ? WIRE_BYTES : WIRE_VARINT))
			return decoder_damaged(d);
		if (f.number == 1)
			id = f.value;
		else if (f.number == 2)
			mapping = f.value;
		else if (f.number == 3)
			new.address = f.value;
		else if (f.number == 5)
			new.is_folded = f.value;
		else if ((r = decode_line(d, &f)) < 0)
			return r;
	}
	if (r < 0)
		return decoder_damaged(d);
	new.n_lines = (uint32_t)(p->lines.n - new.first_line);
	if (mapping) {
		r = idmap_slot(&d->mappings, mapping, &new.mapping);
		if (r < 0)
			return r;
	}
	r = idmap_define(&d->locations, id, (uint32_t)p->locations.n);
	if (r < 0)
		return decoder_id_failed(d, r, "location", id);
	struct profile_location *slot = array_push(&p->locations);
	if (!slot)
		return -ENOMEM;
	*slot = new;
	return 0;
}

int decode_function(struct decoder *d, const struct field *in)
{
	struct profile_function new = { 0 };
	struct message m = message_of(in);
	uint64_t id = 0;
	struct field f;
	int r;

	while ((r = next_field(&m, &f)) > 0) {
		bool ok = f.number > 5 || is_varint(&f);
		if (f.number == 1)
			id = f.value;
		else if (f.number == 2)
			ok = string_number(&f, &new.name);
		else if (f.number == 3)
			ok = string_number(&f, &new.system_name);
		else if (f.number == 4)
			ok = string_number(&f, &new.file);
		else if (f.number == 5)
			new.start_line = (int64_t)f.value;
		if (!ok)
			return decoder_damaged(d);
	}
	if (r < 0)
		return decoder_damaged(d);
	r = idmap_define(&d->functions, id, (uint32_t)d->profile->functions.n);
	if (r < 0)
		return decoder_id_failed(d, r, "function", id);
	struct profile_function *slot = array_push(&d->profile->functions);
	if (!slot)
		return -ENOMEM;
	*slot = new;
	return 0;
}

int decode_string(struct decoder *d, const struct field *in)
{
	uint32_t id;

	if (!d->strings.n && in->value)
		return decoder_bad(d, "the string table does not begin with an empty string");
	int r = strings_intern(
		&d->profile->strings, (const char *)in->bytes, (size_t)in->value, &id);
	if (r == -E2BIG)
		return decoder_bad(d, "more than %u strings", LIMIT_PROFILE_STRINGS);
	if (r < 0)
		return r;
	uint32_t *s = array_push(&d->strings);
	if (!s)
		return decoder_bad(d, "more than %u strings", LIMIT_PROFILE_STRINGS);
	*s = id;
	return 0;
}
