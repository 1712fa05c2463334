/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the listening socket and the list of connections: who gets in, and when one has to go. Does
 * not read frames (connection.c) and knows no request (request.c).
 *
 * Invariants: at most LIMIT_CONNECTIONS, shared out by user.c; a connection is freed only in
 * reap(), between two events, so that a handler may answer any request at any time. One descriptor
 * is held in reserve: when the process has none left, it is given up to accept a connection and
 * shut it, for otherwise the loop would spin on a socket that stays readable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "ipc/connection.h"

#define SWEEP_USEC     1000000U
#define SWEEP_ACCURACY 250000U

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* ---- the end of connections ------------------------------------------------------------------ */

void ipc_server_reap_later(struct ipc_server *s)
{
	(void)sd_event_source_set_enabled(s->reap, SD_EVENT_ONESHOT);
}

static void remove_connection(struct ipc_server *s, struct connection *c)
{
	if (c->previous)
		c->previous->next = c->next;
	else
		s->connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	s->n_connections--;
	connection_close(c);
}

static int on_reap(sd_event_source *source, void *userdata)
{
	struct ipc_server *s = userdata;
	struct connection *next;

	(void)source;
	/* A handler that is told of one connection's end may doom others, but frees none: those are
	 * reaped at the next turn. */
	for (struct connection *c = s->connections; c; c = next) {
		next = c->next;
		if (c->dead)
			remove_connection(s, c);
	}
	if (!s->connections)
		(void)sd_event_source_set_enabled(s->sweep, SD_EVENT_OFF);
	return 0;
}

void ipc_server_sweep(struct ipc_server *s, uint64_t now_ns)
{
	for (struct connection *c = s->connections; c; c = c->next)
		if (connection_expired(c, now_ns))
			connection_kill(c);
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ipc_server *s = userdata;

	(void)usec;
	ipc_server_sweep(s, clock_monotonic_ns());
	if (s->reserve_fd < 0)
		s->reserve_fd = open_reserve();
	(void)sd_event_source_set_enabled(s->accept, SD_EVENT_ON);
	(void)sd_event_source_set_time_relative(source, SWEEP_USEC);
	(void)sd_event_source_set_enabled(
		source, s->connections || s->reserve_fd < 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	return 0;
}

static void start_sweep(struct ipc_server *s)
{
	int enabled = SD_EVENT_OFF;

	if (sd_event_source_get_enabled(s->sweep, &enabled) > 0)
		return;
	(void)sd_event_source_set_time_relative(s->sweep, SWEEP_USEC);
	(void)sd_event_source_set_enabled(s->sweep, SD_EVENT_ONESHOT);
}

/* ---- their beginning ------------------------------------------------------------------------- */

static void refuse(int fd, const char *text)
{
	Profd__V1__ErrorReply body = PROFD__V1__ERROR_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	struct frame_out *out;

	body.code = EXIT_CODE_FAILED;
	body.text = (char *)text;
	reply.body_case = PROFD__V1__REPLY__BODY_ERROR;
	reply.error = &body;
	if (frame_out_new(&out, LIMIT_MESSAGE_BYTES) < 0)
		return;
	if (frame_out_push(out, &reply.base, -1) == 0)
		(void)frame_out_flush(out, fd);
	frame_out_free(out);
}

static void admit(struct ipc_server *s, int accepted)
{
	_cleanup_close_ int fd = accepted;
	struct ucred cred;
	socklen_t n = sizeof(cred);
	struct connection *c;
	struct user *user;
	struct peer peer;
	char text[128];

	/* The uid alone first: who floods is turned away before anything costly is asked about it.
	 */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return;
	if (user_table_connect(&s->users, cred.uid, &user) < 0) {
		(void)snprintf(text, sizeof(text),
			"too many connections: uid %u may have %u, and less when the daemon is "
			"busy",
			cred.uid, LIMIT_CONNECTIONS_PER_UID);
		refuse(fd, text);
		return;
	}
	if (peer_from_socket(fd, &peer) < 0) {
		user_table_disconnect(&s->users, user);
		return;
	}
	if (connection_new(&c, s, TAKE_FD(fd), &peer, user) < 0)
		return;
	c->next = s->connections;
	if (c->next)
		c->next->previous = c;
	s->connections = c;
	s->n_connections++;
	start_sweep(s);
}

/* Out of descriptors: shuts one waiting connection with the reserve's help, else pauses for a
 * sweep. */
static void shed(struct ipc_server *s)
{
	s->reserve_fd = close_fd(s->reserve_fd);
	close_fd(accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	s->reserve_fd = open_reserve();
	if (s->reserve_fd < 0) {
		(void)sd_event_source_set_enabled(s->accept, SD_EVENT_OFF);
		start_sweep(s);
	}
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct ipc_server *s = userdata;

	(void)source;
	(void)events;
	for (unsigned i = 0; i < IPC_ACCEPTS_A_TURN; i++) {
		int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (accepted >= 0) {
			admit(s, accepted);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			shed(s);
		else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_warning("cannot accept a connection: %s", strerror(errno));
		break;
	}
	return 0;
}

/* ---- the server ------------------------------------------------------------------------------ */

int ipc_server_new(struct ipc_server **ret, sd_event *event, int listen_fd,
	const struct ipc_handlers *handlers)
{
	_cleanup_close_ int fd = listen_fd;

	struct ipc_server *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->event = sd_event_ref(event);
	s->handlers = *handlers;
	s->listen_fd = TAKE_FD(fd);
	s->reserve_fd = open_reserve();
	int r = fcntl(s->listen_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0)
		r = sd_event_add_io(event, &s->accept, s->listen_fd, EPOLLIN, on_accept, s);
	if (r >= 0)
		r = sd_event_add_defer(event, &s->reap, on_reap, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->reap, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(
			event, &s->sweep, CLOCK_MONOTONIC, SWEEP_USEC, SWEEP_ACCURACY, on_sweep, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->sweep, SD_EVENT_OFF);
	if (r < 0) {
		ipc_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct ipc_server *ipc_server_free(struct ipc_server *s)
{
	if (!s)
		return NULL;
	while (s->connections)
		remove_connection(s, s->connections);
	sd_event_source_disable_unref(s->sweep);
	sd_event_source_disable_unref(s->reap);
	sd_event_source_disable_unref(s->accept);
	close_fd(s->reserve_fd);
	close_fd(s->listen_fd);
	sd_event_unref(s->event);
	free(s);
	return NULL;
}

unsigned ipc_server_n_connections(const struct ipc_server *s)
{
	return s->n_connections;
}
