/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading samples, which is where a profile's size is: no allocation a sample, equal stacks
 * and label sets are stored once. Location ids become slots and strings numbers of the file's
 * table, both unchecked until resolve.c.
 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "profile/decode.h"
#include "profile/field.h"

static int add_frame(struct decoder *d, uint64_t id)
{
	uint32_t slot;
	int r = idmap_slot(&d->locations, id, &slot);

	if (r < 0)
		return decoder_id_failed(d, r, "location", id);
	uint32_t *frame = array_push(&d->stack);
	if (!frame)
		return -ENOMEM;
	*frame = slot;
	return 0;
}

/* Packed location ids: no more than there are bytes. */
static int decode_frames(struct decoder *d, const struct field *in)
{
	struct message m = message_of(in);
	size_t n = d->stack.n;
	int r = array_resize(&d->stack, n + in->value);

	if (r < 0)
		return r;
	while (m.at < m.end) {
		uint64_t id;
		if (!varint(&m, &id))
			return decoder_damaged(d);
		r = idmap_slot(&d->locations, id, ARRAY_AT(&d->stack, uint32_t, n));
		if (r < 0)
			return decoder_id_failed(d, r, "location", id);
		n++;
	}
	d->stack.n = n;
	return 0;
}

static int decode_values(
	struct decoder *d, const struct field *in, int64_t values[PROFILE_MAX_TYPES], uint32_t *n)
{
	struct message m = message_of(in);

	if (is_varint(in)) {
		if (*n == PROFILE_MAX_TYPES)
			return decoder_bad(d, "a sample of too many values");
		values[(*n)++] = (int64_t)in->value;
		return 0;
	}
	while (m.at < m.end) {
		uint64_t v;
		if (!varint(&m, &v))
			return decoder_damaged(d);
		if (*n == PROFILE_MAX_TYPES)
			return decoder_bad(d, "a sample of too many values");
		values[(*n)++] = (int64_t)v;
	}
	return 0;
}

static int decode_label(struct decoder *d, const struct field *in)
{
	struct profile_label l = { 0 };
	struct message m = message_of(in);
	struct field f;
	int r;

	while ((r = next_field(&m, &f)) > 0) {
		bool ok = true;
		if (f.number == 1)
			ok = string_number(&f, &l.key);
		else if (f.number == 2)
			ok = string_number(&f, &l.str);
		else if (f.number == 4)
			ok = string_number(&f, &l.num_unit);
		else if (f.number == 3 && (ok = is_varint(&f)))
			l.num = (int64_t)f.value;
		if (!ok)
			return decoder_damaged(d);
	}
	if (r < 0)
		return decoder_damaged(d);
	struct profile_label *new = array_push(&d->label_set);
	if (!new)
		return -ENOMEM;
	*new = l;
	return 0;
}

static int add_sample(struct decoder *d, const int64_t *values, uint32_t n_values)
{
	struct profile *p = d->profile;
	size_t n = profile_n_samples(p);
	uint32_t stack, labels;

	if (!n)
		d->n_values = n_values;
	if (n_values != d->n_values || !n_values)
		return decoder_bad(d, "sample %zu has %u values, others have %u", n + 1, n_values,
			d->n_values);
	int r = profile_intern_stack(p, d->stack.data, (uint32_t)d->stack.n, &stack);
	if (r >= 0)
		r = profile_intern_label_set(
			p, d->label_set.data, (uint32_t)d->label_set.n, &labels);
	if (r >= 0)
		r = array_resize(&p->values, (n + 1) * n_values);
	if (r < 0)
		return r;
	uint32_t *s = array_push(&p->sample_stacks);
	uint32_t *l = array_push(&p->sample_labels);
	if (!s || !l)
		return -ENOMEM;
	*s = stack;
	*l = labels;
	memcpy(ARRAY_AT(&p->values, int64_t, n * n_values), values, n_values * sizeof(*values));
	return 0;
}

int decode_sample(struct decoder *d, const struct field *in)
{
	int64_t values[PROFILE_MAX_TYPES];
	struct message m = message_of(in);
	uint32_t n_values = 0;
	struct field f;
	int r;

	d->stack.n = d->label_set.n = 0;
	while ((r = next_field(&m, &f)) > 0) {
		if (f.number > 3)
			continue;
		if (f.wire != WIRE_BYTES && (f.number == 3 || !is_varint(&f)))
			return decoder_damaged(d);
		if (f.number == 1)
			r = is_varint(&f) ? add_frame(d, f.value) : decode_frames(d, &f);
		else if (f.number == 2)
			r = decode_values(d, &f, values, &n_values);
		else
			r = decode_label(d, &f);
		if (r < 0)
			return r;
	}
	return r < 0 ? decoder_damaged(d) : add_sample(d, values, n_values);
}
