/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading samples, which is where a profile's size is: no allocation a sample, equal stacks
 * and label sets are stored once. Location ids become slots and strings numbers of the file's
 * table, both unchecked until resolve.c.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "profile/build.h"
#include "profile/decode.h"
#include "profile/extend.h"
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

/* Bytes at the end of both, from where a number begins in both. */
static size_t common_end(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
	size_t same = 0, most = MIN(n, m);
	bool differ = false;

	while (most - same >= 8 && !differ) {
		uint64_t x, y;
		memcpy(&x, a + n - same - 8, 8);
		memcpy(&y, b + m - same - 8, 8);
		x = le64toh(x) ^ le64toh(y);
		same += x ? (size_t)__builtin_clzll(x) / 8 : 8;
		differ = x;
	}
	while (!differ && same < most && a[n - same - 1] == b[m - same - 1])
		same++;
	if ((same < n && a[n - same - 1] & 0x80) || (same < m && b[m - same - 1] & 0x80))
		while (same && a[n - same--] & 0x80)
			;
	return same;
}

/* How many end in these bytes. */
static uint32_t count_numbers(const uint8_t *at, size_t n)
{
	uint32_t count = 0;

	for (; n >= 8; at += 8, n -= 8) {
		uint64_t v;
		memcpy(&v, at, 8);
		v = ~v >> 7 & 0x0101010101010101;
		count += (uint32_t)(v * 0x0101010101010101 >> 56);
	}
	for (; n; at++, n--)
		count += !(*at & 0x80);
	return count;
}

/* A number of at most four bytes, where there are four up to `end`, without a decision for each,
 * half of which would be guessed wrong. */
static inline bool small_varint(struct message *m, const uint8_t *end, uint64_t *ret)
{
	uint32_t v, last;

	if (end - m->at < 4)
		return false;
	memcpy(&v, m->at, sizeof(v));
	v = le32toh(v);
	last = ~v & 0x80808080;
	if (!last)
		return false;
	/* All bits up to the last byte's. */
	v &= last ^ (last - 1);
	m->at += ((unsigned)__builtin_ctz(last) + 1) / 8;
	*ret = (v & 0x7f) | (v >> 1 & 0x3f80) | (v >> 2 & 0x1fc000) | (v >> 3 & 0xfe00000);
	return true;
}

/* Packed location ids: no more than there are bytes. The root's side is mostly the sample's before
 * and need not be read again. */
static int decode_frames(struct decoder *d, const struct field *in)
{
	struct message m = message_of(in);
	size_t n = d->stack.n;
	size_t same = common_end(m.at, in->value, d->ids_before.data, d->ids_before.n);
	uint32_t shared = count_numbers(m.end - same, same), *slot;
	const uint8_t *end = m.end;
	void *slots;
	int r = array_extend(&d->stack, in->value - same + shared, &slots);

	if (r < 0)
		return r;
	m.end -= same;
	for (slot = slots; m.at < m.end; slot++) {
		uint64_t id;
		if (!small_varint(&m, end, &id) && !varint(&m, &id))
			return decoder_damaged(d);
		r = idmap_slot(&d->locations, id, slot);
		if (r < 0)
			return decoder_id_failed(d, r, "location", id);
	}
	if (shared)
		memcpy(slot, ARRAY_AT(&d->stack_before, uint32_t, d->stack_before.n - shared),
			shared * sizeof(uint32_t));
	d->stack.n = n + (size_t)(slot - (uint32_t *)slots) + shared;
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

static int add_sample(struct decoder *d, const int64_t *values, uint32_t n_values, uint32_t labels)
{
	struct profile *p = d->profile;
	size_t n = p->sample_labels.n;

	if (!n)
		d->n_values = n_values;
	if (n_values != d->n_values || !n_values)
		return decoder_bad(d, "sample %zu has %u values, others have %u", n + 1, n_values,
			d->n_values);
	/* The stack's number comes in its turn. */
	int r = packed_add(d->stacks, d->stack.data, (uint32_t)d->stack.n, &p->sample_stacks);
	void *l, *v;
	if (r >= 0)
		r = array_extend(&p->values, n_values, &v);
	if (r >= 0)
		r = array_extend(&p->sample_labels, 1, &l);
	if (r < 0)
		return r;
	*(uint32_t *)l = labels;
	memcpy(v, values, n_values * sizeof(*values));
	return 0;
}

static int keep(struct array *a, const uint8_t *bytes, size_t n)
{
	void *to;

	a->n = 0;
	int r = array_extend(a, n, &to);
	if (r >= 0 && n)
		memcpy(to, bytes, n);
	return r;
}

/* What the message says of one sample. */
struct parts {
	int64_t values[PROFILE_MAX_TYPES];
	uint32_t n_values;
	struct field ids;      /* the run of location ids, ... */
	unsigned n_ids;	       /* ... when this is 1 */
	const uint8_t *labels; /* the first of them, to the end of the message; NULL: none */
	bool mixed, same;      /* other things come behind; all are those of the sample before */
};

/* 0 or an error. */
static int decode_part(struct decoder *d, struct parts *parts, const struct field *f,
	const uint8_t *begin, size_t left)
{
	if (f->wire != WIRE_BYTES && (f->number == 3 || !is_varint(f)))
		return decoder_damaged(d);
	parts->mixed = parts->mixed || (parts->labels && f->number != 3);
	switch (f->number) {
	case 1:
		/* A second run of ids, or single ones, are no run any more. */
		parts->n_ids += is_varint(f) ? 2 : 1;
		parts->ids = *f;
		if (parts->n_ids != 1)
			d->ids_before.n = 0;
		return is_varint(f) ? add_frame(d, f->value) : decode_frames(d, f);
	case 2:
		return decode_values(d, f, parts->values, &parts->n_values);
	default:
		if (!parts->labels) {
			parts->labels = begin;
			parts->same = left == d->labels_before.n &&
				      !memcmp(begin, d->labels_before.data, left);
		}
		return parts->same ? 0 : decode_label(d, f);
	}
}

static int keep_parts(struct decoder *d, const struct parts *parts, size_t labels_n)
{
	int r = keep(
		&d->ids_before, parts->ids.bytes, parts->n_ids == 1 ? (size_t)parts->ids.value : 0);

	if (r < 0 || parts->same)
		return r;
	return keep(&d->labels_before, parts->labels, parts->mixed ? 0 : labels_n);
}

int decode_sample(struct decoder *d, const struct field *in)
{
	struct array before = d->stack_before;
	struct message m = message_of(in);
	struct parts parts = { .n_values = 0 };
	const uint8_t *begin = m.at;
	struct field f;
	uint32_t labels;
	int r = 0;

	d->stack_before = d->stack;
	d->stack = before;
	d->stack.n = d->label_set.n = 0;
	for (; !parts.same && (r = next_field(&m, &f)) > 0; begin = m.at) {
		if (f.number > 3)
			continue;
		r = decode_part(d, &parts, &f, begin, (size_t)(m.end - begin));
		if (r < 0)
			return r;
	}
	if (r < 0)
		return decoder_damaged(d);
	labels = d->label_set_before;
	if (!parts.same)
		r = profile_intern_label_set(
			d->profile, d->label_set.data, (uint32_t)d->label_set.n, &labels);
	if (r >= 0)
		r = keep_parts(d, &parts, parts.labels ? (size_t)(m.end - parts.labels) : 0);
	if (r < 0)
		return r;
	if (parts.labels)
		d->label_set_before = labels;
	return add_sample(d, parts.values, parts.n_values, labels);
}
