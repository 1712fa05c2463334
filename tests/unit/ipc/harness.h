/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server in this process, driven by hand: pump() runs its loop until nothing is left to do.
 * Clients are sockets of the same test, so nothing here waits on a clock.
 */
#ifndef PROFD_TESTS_IPC_HARNESS_H
#define PROFD_TESTS_IPC_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "ipc/connection.h"
#include "wire/decode.h"

#define MAX_HELD 256

struct harness {
	sd_event *event;
	struct ipc_server *server;
	char path[64];
	struct ipc_request *held[MAX_HELD]; /* requests that are not answered */
	unsigned n_held, n_requests, n_cancelled, n_gone, n_closed, n_fds;
	bool finish, hold;
	uint64_t last_connection;
};

static inline void answer_status(struct ipc_request *r)
{
	Profd__V1__StatusReply body = PROFD__V1__STATUS_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;

	body.version = (char *)"test";
	reply.body_case = PROFD__V1__REPLY__BODY_STATUS;
	reply.status = &body;
	ipc_request_reply(r, &reply, -1);
}

static inline void on_request(
	void *userdata, struct ipc_request *r, const Profd__V1__Request *m, int *fds, size_t n_fds)
{
	struct harness *h = userdata;

	(void)m;
	(void)fds;
	h->n_requests++;
	h->n_fds += n_fds;
	h->last_connection = ipc_request_connection(r);
	if (h->hold && h->n_held < MAX_HELD)
		h->held[h->n_held++] = r;
	else
		answer_status(r);
}

static inline void on_cancelled(void *userdata, struct ipc_request *r, bool finish, bool gone)
{
	struct harness *h = userdata;

	h->finish = finish;
	h->n_gone += gone;
	h->n_cancelled += !gone;
	for (unsigned i = 0; gone && i < h->n_held; i++)
		if (h->held[i] == r)
			h->held[i] = h->held[--h->n_held];
}

static inline void on_closed(void *userdata, uint64_t connection)
{
	struct harness *h = userdata;

	(void)connection;
	h->n_closed++;
}

static inline void harness_init(struct harness *h)
{
	static const char *const types[] = { "cpu", "block", NULL };
	static unsigned n;
	struct ipc_handlers handlers = { .request = on_request,
		.cancelled = on_cancelled,
		.closed = on_closed,
		.userdata = h,
		.version = "profd test",
		.types = types };
	struct error error = ERROR_INIT;

	*h = (struct harness){ 0 };
	(void)snprintf(h->path, sizeof(h->path), "/tmp/profd-test-%d-%u.sock", getpid(), n++);
	assert_int_equal(sd_event_new(&h->event), 0);
	int fd = ipc_listen(h->path, &error);
	if (fd < 0)
		fail_msg("%s", error.text);
	assert_int_equal(ipc_server_new(&h->server, h->event, fd, &handlers), 0);
}

static inline void harness_deinit(struct harness *h)
{
	h->server = ipc_server_free(h->server);
	h->event = sd_event_unref(h->event);
	assert_int_equal(unlink(h->path), 0);
}

static inline void pump(struct harness *h)
{
	int r;

	while ((r = sd_event_run(h->event, 0)) > 0)
		;
	assert_int_equal(r, 0);
}

static inline int connect_raw(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fd = close_fd(fd);
	return fd;
}

struct client {
	int fd;
	struct frame_in in;
	struct frame_out *out;
	bool closed;
};

static inline void client_init(struct client *c, const char *path)
{
	*c = (struct client){ .fd = connect_raw(path) };
	assert_true(c->fd >= 0);
	assert_int_equal(frame_out_new(&c->out, 16 * MIB), 0);
}

static inline void client_deinit(struct client *c)
{
	frame_in_deinit(&c->in);
	c->out = frame_out_free(c->out);
	c->fd = close_fd(c->fd);
}

static inline void send_request(struct client *c, const Profd__V1__Request *m)
{
	assert_int_equal(frame_out_push(c->out, &m->base, -1), 0);
	(void)frame_out_flush(c->out, c->fd);
}

static inline void send_hello(struct client *c, uint32_t version)
{
	Profd__V1__HelloRequest body = PROFD__V1__HELLO_REQUEST__INIT;
	Profd__V1__Request m = PROFD__V1__REQUEST__INIT;

	body.version = version;
	body.client = (char *)"test";
	m.id = 1;
	m.body_case = PROFD__V1__REQUEST__BODY_HELLO;
	m.hello = &body;
	send_request(c, &m);
}

static inline void send_status(struct client *c, uint32_t id)
{
	Profd__V1__StatusRequest body = PROFD__V1__STATUS_REQUEST__INIT;
	Profd__V1__Request m = PROFD__V1__REQUEST__INIT;

	m.id = id;
	m.body_case = PROFD__V1__REQUEST__BODY_STATUS;
	m.status = &body;
	send_request(c, &m);
}

/* The next reply, the caller's to free; NULL: none is there, and c->closed says whether none will
 * be. */
static inline Profd__V1__Reply *receive_reply(struct client *c)
{
	const uint8_t *p;
	size_t n;
	int r;

	while ((r = frame_in_next(&c->in, &p, &n)) == 0) {
		ssize_t got = frame_in_read(&c->in, c->fd);
		if (got == -EAGAIN)
			return NULL;
		if (got <= 0) {
			c->closed = true;
			return NULL;
		}
	}
	assert_int_equal(r, 1);
	Profd__V1__Reply *reply = reply_decode(p, n);
	assert_non_null(reply);
	return reply;
}

static inline void expect_reply(struct client *c, uint32_t id, Profd__V1__Reply__BodyCase body)
{
	Profd__V1__Reply *reply = receive_reply(c);

	assert_non_null(reply);
	if (reply->body_case == PROFD__V1__REPLY__BODY_ERROR &&
		body != PROFD__V1__REPLY__BODY_ERROR)
		fail_msg("error %u: %s", reply->error->code, reply->error->text);
	assert_int_equal(reply->body_case, body);
	assert_int_equal(reply->id, id);
	reply_free(reply);
}

static inline void expect_error(struct client *c, uint32_t id, uint32_t code, const char *words)
{
	Profd__V1__Reply *reply = receive_reply(c);

	assert_non_null(reply);
	assert_int_equal(reply->body_case, PROFD__V1__REPLY__BODY_ERROR);
	assert_int_equal(reply->id, id);
	assert_int_equal(reply->error->code, code);
	if (!strstr(reply->error->text, words))
		fail_msg("\"%s\" says nothing of \"%s\"", reply->error->text, words);
	reply_free(reply);
}

static inline void expect_closed(struct client *c)
{
	assert_null(receive_reply(c));
	assert_true(c->closed);
}

static inline void say_hello_to(struct harness *h, struct client *c)
{
	client_init(c, h->path);
	send_hello(c, WIRE_VERSION);
	pump(h);
	expect_reply(c, 1, PROFD__V1__REPLY__BODY_HELLO);
}

static inline unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif
