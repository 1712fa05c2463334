/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the receiving half of the framing: the bytes and descriptors that came and were not taken
 * yet. Does not know what a frame means or how many descriptors it announces; its reader does.
 *
 * Invariants: data[consumed..n) is the unread part of the stream, beginning at a frame's length;
 * the buffer holds at most one frame and one read beyond it; fds are in the order in which they
 * came. A recvmsg(2) on a stream ends behind the bytes that carried descriptors, so descriptors
 * never arrive later than their frame's first byte, and never overtake those of an earlier frame.
 *
 * Everything that comes from the socket is hostile.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "wire/frame.h"

#define FRAME_HEADER 4U
#define READ_BYTES   (64 * KIB)
#define KEEP_BYTES   (16 * KIB) /* an empty buffer larger than this is given back */
#define SCM_MAX_FDS  253U	/* kernel: net/core/scm.c */

void frame_in_deinit(struct frame_in *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_fds; i++)
		close_fd(f->fds[i]);
	free(f->data);
	*f = (struct frame_in)FRAME_IN_INIT;
}

/* Drops what frame_in_next() has handed out before, and checks the length of the frame that begins.
 */
static int settle(struct frame_in *f)
{
	if (f->consumed > 0) {
		f->n -= f->consumed;
		memmove(f->data, f->data + f->consumed, f->n);
		f->consumed = 0;
	}
	if (f->n == 0 && f->allocated > KEEP_BYTES) {
		free(TAKE_PTR(f->data));
		f->allocated = 0;
	}
	return 0;
}

static uint32_t length_at(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* 1 with the payload's length once the header is there, 0 before, -EPROTO for a length out of
 * range. */
static int frame_length(const struct frame_in *f, size_t *ret)
{
	if (f->n - f->consumed < FRAME_HEADER)
		return 0;
	uint32_t length = length_at(f->data + f->consumed);
	if (length == 0 || length > LIMIT_MESSAGE_BYTES)
		return -EPROTO;
	*ret = length;
	return 1;
}

static int reserve(struct frame_in *f, size_t n)
{
	if (n <= f->allocated - f->n)
		return 0;
	size_t want = MAX(f->n + n, MIN(f->allocated * 2, f->n + READ_BYTES));
	uint8_t *data = realloc(f->data, want);
	if (!data)
		return -ENOMEM;
	f->data = data;
	f->allocated = want;
	return 0;
}

int frame_in_feed(struct frame_in *f, const void *p, size_t n)
{
	size_t length;

	settle(f);
	int r = frame_length(f, &length);
	if (r < 0)
		return r;
	r = reserve(f, n);
	if (r < 0)
		return r;
	if (n > 0)
		memcpy(f->data + f->n, p, n);
	f->n += n;
	r = frame_length(f, &length);
	return r < 0 ? r : 0;
}

/* Takes over the descriptors of a received message; closes those that there is no room for. */
static int collect_fds(struct frame_in *f, struct msghdr *m)
{
	int r = m->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (f->n_fds < WIRE_MAX_FDS) {
				f->fds[f->n_fds++] = fd;
				continue;
			}
			close_fd(fd);
			r = -EPROTO;
		}
	}
	return r;
}

ssize_t frame_in_read(struct frame_in *f, int sock)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
	} control;
	_Static_assert(
		WIRE_MAX_FDS <= SCM_MAX_FDS, "one message carries all descriptors of a frame");
	size_t length, want = READ_BYTES;
	ssize_t n;

	settle(f);
	int r = frame_length(f, &length);
	if (r < 0)
		return r;
	/* The rest of a large frame, but not much more than was sent: memory follows what came. */
	if (r > 0 && length + FRAME_HEADER > f->n)
		want = MIN(want, length + FRAME_HEADER - f->n);
	r = reserve(f, want);
	if (r < 0)
		return r;

	struct iovec iov = { .iov_base = f->data + f->n, .iov_len = want };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = f->refuse_fds ? NULL : &control,
		.msg_controllen =
			f->refuse_fds ? 0 : CMSG_LEN(sizeof(int) * (WIRE_MAX_FDS - f->n_fds)),
	};
	if (f->n_fds == WIRE_MAX_FDS) {
		m.msg_control = NULL;
		m.msg_controllen = 0;
	}
	do
		n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	r = collect_fds(f, &m);
	if (r < 0)
		return r;
	f->n += (size_t)n;
	r = frame_length(f, &length);
	return r < 0 ? r : n;
}

int frame_in_next(struct frame_in *f, const uint8_t **ret, size_t *ret_n)
{
	size_t length;

	int r = frame_length(f, &length);
	if (r <= 0)
		return r;
	if (f->n - f->consumed - FRAME_HEADER < length)
		return 0;
	*ret = f->data + f->consumed + FRAME_HEADER;
	*ret_n = length;
	f->consumed += FRAME_HEADER + length;
	return 1;
}

bool frame_in_between(const struct frame_in *f)
{
	return f->n == f->consumed;
}

int frame_in_take_fds(struct frame_in *f, int *ret, size_t n)
{
	if (n > f->n_fds)
		return -ENOENT;
	if (n > 0) {
		memcpy(ret, f->fds, n * sizeof(int));
		memmove(f->fds, f->fds + n, (f->n_fds - n) * sizeof(int));
	}
	f->n_fds -= n;
	return 0;
}
