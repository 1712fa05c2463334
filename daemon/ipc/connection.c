/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns one peer: its bytes in and out, its hello, its deadlines and what it is charged for. What a
 * request means is request.c's and the handlers'.
 *
 * Invariants: a turn reads once and handles at most IPC_FRAMES_A_TURN frames; while whole frames
 * wait, nothing more is read; every descriptor in `in` was seen to be a pidfd, since closing
 * anything else may hang (dispose.h). A dead connection reads, writes and dispatches nothing.
 *
 * Everything from the socket is hostile.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

#include "base/clock.h"
#include "base/limits.h"
#include "ipc/connection.h"
#include "ipc/dispose.h"
#include "session/pidfd.h"
#include "wire/decode.h"

void connection_kill(struct connection *c)
{
	c->dead = true;
	ipc_server_reap_later(c->server);
}

void connection_account(struct connection *c)
{
	size_t bytes = c->in.allocated + frame_out_bytes(c->out);

	c->user->bytes += bytes - c->charged_bytes;
	c->charged_bytes = bytes;
	c->user->fds += c->in.n_fds - c->charged_fds;
	c->charged_fds = c->in.n_fds;
	if (c->user->bytes > IPC_BYTES_PER_UID || c->user->fds > IPC_FDS_PER_UID)
		connection_kill(c);
}

void connection_settle_fds(struct connection *c)
{
	int unread = 0;

	if (c->unread_fds == 0 || !frame_out_empty(c->out))
		return;
	/* Counts what was written and not read yet, with the descriptors beside it. */
	if (ioctl(c->fd, SIOCOUTQ, &unread) < 0 || unread > 0)
		return;
	c->user->n_requests -= c->unread_fds;
	c->unread_fds = 0;
}

static int on_more(sd_event_source *source, void *userdata);

/* Frames that are already here come first: nothing more is read until they are done. */
static void watch_socket(struct connection *c)
{
	uint32_t events = (c->more ? 0 : EPOLLIN) | (frame_out_empty(c->out) ? 0 : EPOLLOUT);

	if (sd_event_source_set_io_events(c->io, events) < 0)
		connection_kill(c);
}

/* A source is made for each turn, because sd-event takes a defer source for as old as its making,
 * and the oldest goes first: one that stays would keep all sockets waiting. */
static void set_backlog(struct connection *c, bool backlog)
{
	c->more = sd_event_source_disable_unref(c->more);
	if (backlog && sd_event_add_defer(c->server->event, &c->more, on_more, c) < 0)
		connection_kill(c);
}

void connection_flush(struct connection *c)
{
	if (c->dead)
		return;
	size_t before = frame_out_bytes(c->out);
	if (frame_out_flush(c->out, c->fd) < 0) {
		connection_kill(c);
		return;
	}
	if (frame_out_bytes(c->out) < before)
		c->active_ns = clock_monotonic_ns();
	connection_account(c);
	watch_socket(c);
}

int connection_push_error(struct connection *c, uint32_t id, const struct error *error)
{
	Profd__V1__ErrorReply body = PROFD__V1__ERROR_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;

	body.code = error->code;
	body.text = (char *)error->text;
	reply.id = id;
	reply.body_case = PROFD__V1__REPLY__BODY_ERROR;
	reply.error = &body;
	return frame_out_push(c->out, &reply.base, -1);
}

void connection_fail(
	struct connection *c, uint32_t id, enum exit_code code, const char *format, ...)
{
	struct error error = ERROR_INIT;
	char text[sizeof(error.text)];
	va_list ap;

	if (c->dead)
		return;
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)error_set(&error, -EPROTO, code, "%s", text);
	if (connection_push_error(c, id, &error) == 0)
		(void)frame_out_flush(c->out, c->fd);
	connection_kill(c);
}

static void say_hello(struct connection *c, const Profd__V1__Request *m)
{
	Profd__V1__HelloReply body = PROFD__V1__HELLO_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	const struct ipc_handlers *h = &c->server->handlers;

	if (c->hello) {
		connection_fail(c, m->id, EXIT_CODE_USAGE, "a second hello");
		return;
	}
	if (m->hello->version != WIRE_VERSION) {
		connection_fail(c, m->id, EXIT_CODE_FAILED,
			"%s speaks version %d of the protocol, this client version %u: use those "
			"of one "
			"release",
			h->version, WIRE_VERSION, m->hello->version);
		return;
	}
	c->hello = true;
	body.version = WIRE_VERSION;
	body.daemon = (char *)h->version;
	body.pid = (uint32_t)getpid();
	body.privileged = authz_privileged(&c->peer);
	body.types = (char **)h->types;
	while (h->types && h->types[body.n_types])
		body.n_types++;
	reply.id = m->id;
	reply.body_case = PROFD__V1__REPLY__BODY_HELLO;
	reply.hello = &body;
	if (frame_out_push(c->out, &reply.base, -1) < 0)
		connection_kill(c);
}

/* Descriptors that the frame announces, handed to the request and closed where it leaves them. */
static void dispatch_with_fds(struct connection *c, const Profd__V1__Request *m)
{
	int fds[WIRE_MAX_FDS];
	uint64_t n = request_n_fds(m);

	if (n > WIRE_MAX_FDS || frame_in_take_fds(&c->in, fds, (size_t)n) < 0) {
		connection_fail(c, m->id, EXIT_CODE_USAGE,
			"%llu descriptors announced, %zu came, at most %d are possible",
			(unsigned long long)n, c->in.n_fds, WIRE_MAX_FDS);
		return;
	}
	request_dispatch(c, m, fds, (size_t)n);
	for (uint64_t i = 0; i < n; i++)
		close_fd(fds[i]);
}

static void handle_frame(struct connection *c, const uint8_t *p, size_t n)
{
	Profd__V1__Request *m = request_decode(p, n);

	if (!m)
		connection_fail(c, 0, EXIT_CODE_USAGE, "malformed message of %zu bytes", n);
	else if (m->body_case == PROFD__V1__REQUEST__BODY_HELLO)
		say_hello(c, m);
	else if (!c->hello)
		connection_fail(c, m->id, EXIT_CODE_USAGE, "a request before the hello");
	else
		dispatch_with_fds(c, m);
	request_free(m);
}

/* Handles the whole frames that are here, a turn's worth of them. */
static void handle_frames(struct connection *c)
{
	uint64_t now = clock_monotonic_ns();
	unsigned done = 0;
	const uint8_t *p;
	size_t n;
	int r = 0;

	while (!c->dead && done < IPC_FRAMES_A_TURN && (r = frame_in_next(&c->in, &p, &n)) > 0) {
		handle_frame(c, p, n);
		done++;
	}
	if (r < 0)
		connection_fail(c, 0, EXIT_CODE_USAGE, "a frame's length must be 1 to %llu bytes",
			LIMIT_MESSAGE_BYTES);
	if (frame_in_between(&c->in) && c->in.n_fds > 0)
		connection_fail(c, 0, EXIT_CODE_USAGE, "%zu descriptors that no message announced",
			c->in.n_fds);
	if (c->dead)
		return;
	if (frame_in_between(&c->in))
		c->frame_since_ns = 0;
	else if (done > 0 || c->frame_since_ns == 0)
		c->frame_since_ns = now;
	connection_account(c);
	set_backlog(c, done == IPC_FRAMES_A_TURN && !frame_in_between(&c->in));
	connection_flush(c);
}

/* Descriptors from `from` on are new. False: one is no pidfd, and all went to where they cannot
 * harm. */
static bool check_fds(struct connection *c, size_t from)
{
	for (size_t i = from; i < c->in.n_fds; i++) {
		if (pidfd_is(c->in.fds[i]))
			continue;
		dispose_fds(c->peer.uid, c->in.fds, c->in.n_fds);
		c->in.n_fds = 0;
		return false;
	}
	return true;
}

static void receive(struct connection *c)
{
	size_t n_fds = c->in.n_fds;

	c->in.refuse_fds = !dispose_ready(c->peer.uid);
	ssize_t n = frame_in_read(&c->in, c->fd);
	if (!check_fds(c, n_fds)) {
		connection_fail(c, 0, EXIT_CODE_USAGE, "a descriptor that is not a pidfd");
		return;
	}
	if (n == -EAGAIN)
		return;
	if (n == -EPROTO)
		connection_fail(c, 0, EXIT_CODE_USAGE,
			c->in.refuse_fds
				? "no descriptors are accepted at present"
				: "a frame must be 1 to %llu bytes, with at most %d descriptors",
			LIMIT_MESSAGE_BYTES, WIRE_MAX_FDS);
	else if (n <= 0)
		connection_kill(c);
	if (c->dead)
		return;
	c->active_ns = clock_monotonic_ns();
	if (!c->hello && c->in.n > IPC_HELLO_BYTES) {
		const uint8_t *p = c->in.data;
		/* A client may send requests without waiting for the answer, but hello comes first.
		 */
		if (p[2] || p[3] || (size_t)(p[0] | p[1] << 8) > IPC_HELLO_BYTES) {
			connection_fail(c, 0, EXIT_CODE_USAGE, "a request before the hello");
			return;
		}
	}
	handle_frames(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connection *c = userdata;

	(void)source;
	(void)fd;
	if (c->dead)
		return 0;
	if (events & EPOLLOUT)
		connection_flush(c);
	if (!c->dead && (events & EPOLLIN))
		receive(c);
	else if (!c->dead && (events & (EPOLLHUP | EPOLLERR)) && !c->more)
		connection_kill(c);
	return 0;
}

static int on_more(sd_event_source *source, void *userdata)
{
	struct connection *c = userdata;

	(void)source;
	if (!c->dead)
		handle_frames(c);
	return 0;
}

bool connection_expired(const struct connection *c, uint64_t now_ns)
{
	if (!c->hello && now_ns > c->since_ns + LIMIT_HANDSHAKE_MS * NS_PER_MS)
		return true;
	if (c->frame_since_ns > 0 && now_ns > c->frame_since_ns + LIMIT_FRAME_MS * NS_PER_MS)
		return true;
	return !c->requests && now_ns > c->active_ns + IPC_IDLE_MS * NS_PER_MS;
}

static void connection_free(struct connection *c)
{
	c->user->bytes -= c->charged_bytes;
	c->user->fds -= c->charged_fds;
	c->user->n_requests -= c->unread_fds;
	user_table_disconnect(&c->server->users, c->user);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->more);
	frame_in_deinit(&c->in);
	frame_out_free(c->out);
	close_fd(c->fd);
	free(c);
}

int connection_new(struct connection **ret, struct ipc_server *s, int fd, const struct peer *peer,
	struct user *user)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c) {
		close_fd(fd);
		user_table_disconnect(&s->users, user);
		return -ENOMEM;
	}
	c->server = s;
	c->fd = fd;
	c->peer = *peer;
	c->user = user;
	c->id = ++s->last_connection;
	c->since_ns = c->active_ns = clock_monotonic_ns();
	int r = frame_out_new(&c->out, LIMIT_OUT_QUEUE_BYTES);
	if (r == 0)
		r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_io, c);
	if (r < 0) {
		connection_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void connection_close(struct connection *c)
{
	const struct ipc_handlers *h = &c->server->handlers;
	uint64_t id = c->id;

	c->dead = true;
	requests_cancel(c);
	connection_free(c);
	if (h->closed)
		h->closed(h->userdata, id);
}
