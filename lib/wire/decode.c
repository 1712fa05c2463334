/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the budget under which protobuf-c unpacks a frame. protobuf-c checks lengths and tags; what
 * it does not do is bound memory, so every allocation is charged here and fails beyond the budget.
 * Strings come out NUL-terminated but are otherwise whatever the peer sent.
 */
#include <stdlib.h>

#include "wire/decode.h"

struct budget {
	size_t left;
};

static void *budget_alloc(void *data, size_t n)
{
	struct budget *b = data;

	/* What malloc itself needs beside small pieces counts too. */
	if (n > SIZE_MAX - 16 || n + 16 > b->left)
		return NULL;
	b->left -= n + 16;
	return malloc(n);
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

static ProtobufCMessage *decode(
	const ProtobufCMessageDescriptor *d, const uint8_t *p, size_t n, size_t budget)
{
	struct budget b = { .left = budget };
	ProtobufCAllocator a = { .alloc = budget_alloc, .free = budget_free, .allocator_data = &b };

	return protobuf_c_message_unpack(d, &a, n, p);
}

Profd__V1__Request *request_decode(const uint8_t *p, size_t n)
{
	return (Profd__V1__Request *)decode(
		&profd__v1__request__descriptor, p, n, DECODE_REQUEST_BYTES);
}

Profd__V1__Request *request_free(Profd__V1__Request *m)
{
	if (m)
		profd__v1__request__free_unpacked(m, NULL);
	return NULL;
}

Profd__V1__Reply *reply_decode(const uint8_t *p, size_t n)
{
	return (Profd__V1__Reply *)decode(&profd__v1__reply__descriptor, p, n, DECODE_REPLY_BYTES);
}

Profd__V1__Reply *reply_free(Profd__V1__Reply *m)
{
	if (m)
		profd__v1__reply__free_unpacked(m, NULL);
	return NULL;
}

const Profd__V1__Target *request_target(const Profd__V1__Request *m)
{
	switch (m->body_case) {
	case PROFD__V1__REQUEST__BODY_ATTACH:
		return m->attach->target;
	case PROFD__V1__REQUEST__BODY_DETACH:
		return m->detach->target;
	case PROFD__V1__REQUEST__BODY_DUMP:
		return m->dump->target;
	default:
		return NULL;
	}
}

uint64_t request_n_fds(const Profd__V1__Request *m)
{
	const Profd__V1__Target *t = request_target(m);

	return t ? (uint64_t)t->n_pidfds + t->n_below_pidfds : 0;
}
