/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sending half of the framing: packed frames in order, with the descriptors that go with
 * the first byte of each, until the socket has taken them. Does not know what a message means.
 *
 * Invariants: `queued` is the sum of the unsent bytes and never above max_bytes; only the first
 * frame may be partly sent; a frame that is partly sent has no descriptors any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "wire/frame.h"

struct out_frame {
	struct out_frame *next;
	size_t n, sent;
	size_t n_fds;
	int fds[WIRE_MAX_FDS]; /* owned */
	uint8_t data[];
};

struct frame_out {
	struct out_frame *first, **last; /* owned */
	size_t queued, max_bytes;
};

static void drop_fds(struct out_frame *o)
{
	for (size_t i = 0; i < o->n_fds; i++)
		close_fd(o->fds[i]);
	o->n_fds = 0;
}

static struct out_frame *out_frame_free(struct out_frame *o)
{
	if (!o)
		return NULL;
	drop_fds(o);
	free(o);
	return NULL;
}

DEFINE_CLEANUP(struct out_frame *, out_frame_free)

int frame_out_new(struct frame_out **ret, size_t max_bytes)
{
	struct frame_out *f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->last = &f->first;
	f->max_bytes = max_bytes;
	*ret = f;
	return 0;
}

struct frame_out *frame_out_free(struct frame_out *f)
{
	if (!f)
		return NULL;
	while (f->first) {
		struct out_frame *o = f->first;
		f->first = o->next;
		out_frame_free(o);
	}
	free(f);
	return NULL;
}

static int frame_new(
	const struct frame_out *f, const ProtobufCMessage *message, struct out_frame **ret)
{
	size_t n = protobuf_c_message_get_packed_size(message);
	if (n == 0)
		return -EINVAL;
	if (n > LIMIT_MESSAGE_BYTES)
		return -EMSGSIZE;
	if (f->queued + 4 + n > f->max_bytes)
		return -ENOBUFS;
	struct out_frame *o = malloc(sizeof(*o) + 4 + n);
	if (!o)
		return -ENOMEM;
	*o = (struct out_frame){ .n = 4 + n };
	for (int i = 0; i < 4; i++)
		o->data[i] = (uint8_t)(n >> 8 * i);
	protobuf_c_message_pack(message, o->data + 4);
	*ret = o;
	return 0;
}

static void append(struct frame_out *f, struct out_frame *o)
{
	*f->last = o;
	f->last = &o->next;
	f->queued += o->n;
}

int frame_out_push(struct frame_out *f, const ProtobufCMessage *message, int fd)
{
	_cleanup_close_ int owned = fd;
	struct out_frame *o;

	int r = frame_new(f, message, &o);
	if (r < 0)
		return r;
	if (owned >= 0)
		o->fds[o->n_fds++] = TAKE_FD(owned);
	append(f, o);
	return 0;
}

int frame_out_push_fds(
	struct frame_out *f, const ProtobufCMessage *message, const int *fds, size_t n_fds)
{
	CLEANUP(out_frame_freep) struct out_frame *o = NULL;

	if (n_fds > WIRE_MAX_FDS)
		return -E2BIG;
	int r = frame_new(f, message, &o);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_fds; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return -errno;
		o->fds[o->n_fds++] = fd;
	}
	append(f, TAKE_PTR(o));
	return 0;
}

bool frame_out_empty(const struct frame_out *f)
{
	return !f->first;
}

size_t frame_out_bytes(const struct frame_out *f)
{
	return f->queued;
}

static ssize_t send_some(struct out_frame *o, int sock)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * WIRE_MAX_FDS)];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = o->data + o->sent, .iov_len = o->n - o->sent };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (o->n_fds > 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * o->n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * o->n_fds);
		memcpy(CMSG_DATA(c), o->fds, sizeof(int) * o->n_fds);
	}
	do
		n = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int frame_out_flush(struct frame_out *f, int sock)
{
	while (f->first) {
		struct out_frame *o = f->first;
		ssize_t n = send_some(o, sock);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		drop_fds(o); /* the peer has them */
		o->sent += (size_t)n;
		f->queued -= (size_t)n;
		if (o->sent < o->n)
			continue;
		f->first = o->next;
		if (!f->first)
			f->last = &f->first;
		out_frame_free(o);
	}
	return 0;
}
