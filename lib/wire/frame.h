/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing of the socket, on both sides: a little-endian u32 length (1..LIMIT_MESSAGE_BYTES), then
 * that many bytes of protobuf (profd.v1.Request or Reply). Descriptors travel as SCM_RIGHTS with
 * the first byte of their frame. Non-blocking: feed what the socket gives, take whole frames out.
 * Pure but for frame_in_read() and frame_out_flush().
 */
#ifndef PROFD_WIRE_FRAME_H
#define PROFD_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/limits.h"
#include "wire/profd.pb-c.h"

#define WIRE_VERSION 1
#define WIRE_MAX_FDS 64

struct frame_in {
	uint8_t *data; /* owned */
	size_t n, allocated;
	int fds[WIRE_MAX_FDS]; /* owned until taken */
	size_t n_fds;
	size_t consumed; /* bytes of data that frame_in_next() has handed out */
	/* Set by the owner: descriptors are left to the kernel to drop, and a frame with some is
	 * -EPROTO. */
	bool refuse_fds;
};
#define FRAME_IN_INIT  \
	{              \
		.n = 0 \
	}

void frame_in_deinit(struct frame_in *f);
/* Reads what the non-blocking socket has. Bytes read, 0 at the end, -EAGAIN, -EPROTO (bad length,
 * too many descriptors), other -errno. */
ssize_t frame_in_read(struct frame_in *f, int sock);
/* Feeds bytes directly (tests, fuzzers). 0, -ENOMEM, -EPROTO. */
int frame_in_feed(struct frame_in *f, const void *p, size_t n);
/* A whole frame: 1 and its borrowed bytes (valid until the next call on f), 0: none yet, -EPROTO.
 */
int frame_in_next(struct frame_in *f, const uint8_t **ret, size_t *ret_n);
/* Nothing of another frame has come: descriptors that are left now belong to no frame. */
bool frame_in_between(const struct frame_in *f);
/* Takes the first n descriptors that came, in order; the caller's. -ENOENT when there are fewer. */
int frame_in_take_fds(struct frame_in *f, int *ret, size_t n);

struct frame_out;
int frame_out_new(struct frame_out **ret, size_t max_bytes);
struct frame_out *frame_out_free(struct frame_out *f);
/* Queues a message; `fd` (or -1) is consumed in any case. -ENOBUFS past max_bytes,
 * -EMSGSIZE for a message beyond LIMIT_MESSAGE_BYTES. */
int frame_out_push(struct frame_out *f, const ProtobufCMessage *message, int fd);
/* Same with several descriptors, borrowed (duplicated). */
int frame_out_push_fds(
	struct frame_out *f, const ProtobufCMessage *message, const int *fds, size_t n_fds);
bool frame_out_empty(const struct frame_out *f);
size_t frame_out_bytes(const struct frame_out *f); /* not yet sent */
/* Writes what the socket takes. 0, or -errno when the peer is gone. */
int frame_out_flush(struct frame_out *f, int sock);

#endif
