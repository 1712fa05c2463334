/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a protobuf message that lies in memory (protobuf.dev/programming-guides/encoding). */
#ifndef PROFD_PROFILE_FIELD_H
#define PROFD_PROFILE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* A message that lies in memory. Reads give false at its end or where it is damaged. Inline, unlike
 * base/bytes.h, because every frame of every sample goes through here. */
struct message {
	const uint8_t *at, *end;
};

struct field {
	uint64_t number, value; /* value: of a varint, or the length of bytes */
	enum wire wire;
	const uint8_t *bytes; /* of WIRE_BYTES */
};

static inline bool varint(struct message *m, uint64_t *ret)
{
	uint64_t v = 0;

	if (m->at < m->end && *m->at < 0x80) {
		*ret = *m->at++;
		return true;
	}
	if (m->end - m->at >= 3 && !(m->at[1] & m->at[2] & 0x80)) {
		bool two = m->at[1] < 0x80;
		*ret = (uint64_t)(m->at[0] & 0x7f) | (uint64_t)(m->at[1] & 0x7f) << 7 |
		       (two ? 0 : (uint64_t)m->at[2] << 14);
		m->at += two ? 2 : 3;
		return true;
	}
	for (unsigned shift = 0; shift < 70 && m->at < m->end; shift += 7) {
		uint8_t b = *m->at++;
		/* The tenth byte has one bit that counts. */
		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The next field: 1, 0 at the end, -1 where the message is damaged. */
static inline int next_field(struct message *m, struct field *f)
{
	uint64_t tag, n = 0;

	if (m->at == m->end)
		return 0;
	if (!varint(m, &tag) || tag >> 3 == 0)
		return -1;
	f->number = tag >> 3;
	f->wire = (enum wire)(tag & 7);
	f->bytes = NULL;
	f->value = 0;
	switch (f->wire) {
	case WIRE_VARINT:
		return varint(m, &f->value) ? 1 : -1;
	case WIRE_BYTES:
		if (!varint(m, &n))
			return -1;
		f->bytes = m->at;
		f->value = n;
		break;
	case WIRE_FIXED64:
		n = 8;
		break;
	case WIRE_FIXED32:
		n = 4;
		break;
	default:
		return -1;
	}
	if (n > (size_t)(m->end - m->at))
		return -1;
	m->at += n;
	return 1;
}

/* A known field has the wire type that it must have. */
static inline bool is_varint(const struct field *f)
{
	return f->wire == WIRE_VARINT;
}

static inline bool string_number(const struct field *f, uint32_t *ret)
{
	if (!is_varint(f) || f->value >= UINT32_MAX)
		return false;
	*ret = (uint32_t)f->value;
	return true;
}

/* Empty for a field that is not bytes. */
static inline struct message message_of(const struct field *f)
{
	return (struct message){ .at = f->bytes, .end = f->bytes ? f->bytes + f->value : NULL };
}

#endif
