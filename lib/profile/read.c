/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the outermost message of profile.proto: what it holds is read one field at a time, so that
 * memory is needed for one message and for what the profile really holds. Unknown fields are
 * skipped.
 *
 * Not supported, and refused: groups (the deprecated wire types 3 and 4), which no writer uses, and
 * pprof's formats from before profile.proto.
 */
#include <errno.h>
#include "base/cleanup.h"
#include "base/limits.h"
#include "profile/build.h"
#include "profile/decode.h"
#include "profile/field.h"
#include "profile/index.h"
#include "profile/pprof.h"

/* One sample, location or string. A stack of a million frames needs 5 MB. */
#define MAX_MESSAGE_BYTES (64 * MIB)
/* How many fields between two looks at what the profile holds. */
#define CHECK_FIELDS 4096U
/* Stacks of more stay packed. */
#define FEW_FRAMES (16 * MIB)

enum top {
	TOP_SAMPLE_TYPE = 1,
	TOP_SAMPLE,
	TOP_MAPPING,
	TOP_LOCATION,
	TOP_FUNCTION,
	TOP_STRING,
	TOP_DROP_FRAMES,
	TOP_KEEP_FRAMES,
	TOP_TIME,
	TOP_DURATION,
	TOP_PERIOD_TYPE,
	TOP_PERIOD,
	TOP_COMMENT,
	TOP_DEFAULT_TYPE,
	TOP_DOC_URL,
};

static int decoder_init(
	struct decoder *d, struct error *error, uint64_t max_bytes, uint64_t few_frames)
{
	*d = (struct decoder){
		.error = error,
		.max_bytes = max_bytes,
		.few_frames = few_frames,
		.strings = ARRAY_INIT(uint32_t, LIMIT_PROFILE_STRINGS),
		.stack = ARRAY_INIT(uint32_t, MAX_MESSAGE_BYTES),
		.label_set = ARRAY_INIT(struct profile_label, MAX_MESSAGE_BYTES),
		.stack_before = ARRAY_INIT(uint32_t, MAX_MESSAGE_BYTES),
		.ids_before = ARRAY_INIT(uint8_t, MAX_MESSAGE_BYTES),
		.labels_before = ARRAY_INIT(uint8_t, MAX_MESSAGE_BYTES),
	};
	idmap_init(&d->mappings);
	idmap_init(&d->functions);
	idmap_init(&d->locations);
	int r = packed_new(&d->stacks);
	return r < 0 ? r : profile_new(&d->profile);
}

static void decoder_deinit(struct decoder *d)
{
	idmap_deinit(&d->locations);
	idmap_deinit(&d->functions);
	idmap_deinit(&d->mappings);
	array_deinit(&d->labels_before);
	array_deinit(&d->ids_before);
	array_deinit(&d->stack_before);
	array_deinit(&d->label_set);
	array_deinit(&d->stack);
	array_deinit(&d->strings);
	(void)packed_free(d->stacks);
	(void)source_free(d->source);
	(void)profile_free(d->profile);
}

static int add_comment(struct decoder *d, uint64_t string)
{
	if (string >= UINT32_MAX)
		return decoder_damaged(d);
	uint32_t *c = array_push(&d->profile->comments);
	if (!c)
		return -ENOMEM;
	*c = (uint32_t)string;
	return 0;
}

static int decode_number(struct decoder *d, const struct field *f)
{
	struct profile *p = d->profile;
	uint32_t *string = NULL;

	switch (f->number) {
	case TOP_DROP_FRAMES:
		string = &p->drop_frames;
		break;
	case TOP_KEEP_FRAMES:
		string = &p->keep_frames;
		break;
	case TOP_DEFAULT_TYPE:
		string = &p->default_sample_type;
		break;
	case TOP_DOC_URL:
		string = &p->doc_url;
		break;
	case TOP_TIME:
		/* Protobuf would merge them; with ids that mean different things. */
		if (p->time_nanos)
			return decoder_bad(d, "two profiles in one file");
		p->time_nanos = (int64_t)f->value;
		break;
	case TOP_DURATION:
		p->duration_nanos = (int64_t)f->value;
		break;
	case TOP_PERIOD:
		p->period = (int64_t)f->value;
		break;
	case TOP_COMMENT:
		return add_comment(d, f->value);
	default: /* the others are messages */
		return f->number < TOP_DROP_FRAMES || f->number == TOP_PERIOD_TYPE
			       ? decoder_damaged(d)
			       : 0;
	}
	if (string && !string_number(f, string))
		return decoder_damaged(d);
	return 0;
}

static int decode_message(struct decoder *d, const struct field *f)
{
	struct message m = message_of(f);
	int r = 0;

	switch (f->number) {
	case TOP_SAMPLE_TYPE:
		return decode_sample_type(d, f);
	case TOP_SAMPLE:
		return decode_sample(d, f);
	case TOP_MAPPING:
		return decode_mapping(d, f);
	case TOP_LOCATION:
		return decode_location(d, f);
	case TOP_FUNCTION:
		return decode_function(d, f);
	case TOP_STRING:
		return decode_string(d, f);
	case TOP_PERIOD_TYPE:
		return decode_value_type(d, f, &d->profile->period_type);
	case TOP_COMMENT:
		for (uint64_t v; m.at < m.end && r >= 0;)
			r = varint(&m, &v) ? add_comment(d, v) : decoder_damaged(d);
		return r;
	default:
		return decoder_damaged(d);
	}
}

static int decode_bytes(struct decoder *d, struct field *f)
{
	if (f->number > TOP_DOC_URL)
		return source_skip(d->source, f->value, d->error);
	if (f->value > MAX_MESSAGE_BYTES)
		return decoder_bad(d, "a message of %llu bytes", (unsigned long long)f->value);
	int r = source_bytes(d->source, (size_t)f->value, &f->bytes, d->error);
	return r < 0 ? r : decode_message(d, f);
}

static int decode_field(struct decoder *d)
{
	struct field f = { 0 };
	uint64_t tag;
	int r = source_varint(d->source, &tag, d->error);

	if (r < 0)
		return r;
	f.number = tag >> 3;
	f.wire = (enum wire)(tag & 7);
	if (!f.number)
		return decoder_damaged(d);
	switch (f.wire) {
	case WIRE_VARINT:
		r = source_varint(d->source, &f.value, d->error);
		return r < 0 ? r : decode_number(d, &f);
	case WIRE_BYTES:
		r = source_varint(d->source, &f.value, d->error);
		return r < 0 ? r : decode_bytes(d, &f);
	case WIRE_FIXED64:
	case WIRE_FIXED32:
		if (f.number <= TOP_DOC_URL)
			return decoder_damaged(d);
		return source_skip(d->source, f.wire == WIRE_FIXED64 ? 8 : 4, d->error);
	default:
		return decoder_damaged(d);
	}
}

static int check_size(struct decoder *d)
{
	uint64_t n = profile_bytes(d->profile) + idmap_bytes(&d->mappings) +
		     idmap_bytes(&d->functions) + idmap_bytes(&d->locations) +
		     packed_bytes(d->stacks);

	/* Some views want them laid out. */
	n += packed_frames(d->stacks) * sizeof(uint32_t);

	if (n <= d->max_bytes)
		return 0;
	return error_set(d->error, -EFBIG, EXIT_CODE_FAILED,
		"the profile needs more than %llu bytes of memory",
		(unsigned long long)d->max_bytes);
}

static int decode_all(struct decoder *d)
{
	int r;

	for (size_t n = 1; (r = source_more(d->source, d->error)) > 0; n++) {
		r = decode_field(d);
		if (r >= 0 && n % CHECK_FIELDS == 0)
			r = check_size(d);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (!source_offset(d->source))
		return error_set(d->error, -EBADMSG, EXIT_CODE_FAILED, "the profile is empty");
	r = packed_flush(d->stacks, &d->profile->sample_stacks);
	return r < 0 ? r : decoder_resolve(d);
}

static int decode(int fd, const void *data, size_t n, uint64_t max_bytes, uint64_t few_frames,
	struct profile **ret, struct error *error)
{
	CLEANUP(decoder_deinit) struct decoder d;
	int r = decoder_init(&d, error, max_bytes, few_frames);

	if (r >= 0)
		r = source_new(&d.source, fd, data, n, max_bytes, error);
	if (r >= 0)
		r = decode_all(&d);
	if (r == -ENOMEM)
		return error_set(error, r, EXIT_CODE_FAILED, "no memory left for the profile");
	if (r == -E2BIG)
		return error_set(error, r, EXIT_CODE_FAILED, "the profile has too many entries");
	if (r < 0)
		return r;
	index_drop(d.profile);
	*ret = TAKE_PTR(d.profile);
	return 0;
}

int pprof_decode_within(int fd, const void *data, size_t n, uint64_t max_bytes,
	struct profile **ret, struct error *error)
{
	return decode(fd, data, n, max_bytes, FEW_FRAMES, ret, error);
}

int pprof_decode_packed(const void *data, size_t n, struct profile **ret, struct error *error)
{
	return decode(-1, data, n, LIMIT_PROFILE_BYTES, 0, ret, error);
}

int pprof_read(int fd, struct profile **ret, struct error *error)
{
	return pprof_decode_within(fd, NULL, 0, LIMIT_PROFILE_BYTES, ret, error);
}

int pprof_decode(const void *data, size_t n, struct profile **ret, struct error *error)
{
	return pprof_decode_within(-1, data, n, LIMIT_PROFILE_BYTES, ret, error);
}
