/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the requests that are open: their number, their way to the handlers, and their answers' way
 * back. A request occupies a place of its uid until it was answered and, where the answer carries a
 * descriptor, until the peer has read that: unread profiles are memory.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "ipc/connection.h"
#include "wire/decode.h"

void request_refuse(struct connection *c, uint32_t id, enum exit_code code, const char *format, ...)
{
	struct error error = ERROR_INIT;
	char text[sizeof(error.text)];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)error_set(&error, -EINVAL, code, "%s", text);
	if (connection_push_error(c, id, &error) < 0)
		connection_kill(c);
}

static struct ipc_request *find(struct connection *c, uint32_t id)
{
	struct ipc_request *r = c->requests;

	while (r && r->id != id)
		r = r->next;
	return r;
}

static void cancel(struct connection *c, const Profd__V1__CancelRequest *m)
{
	const struct ipc_handlers *h = &c->server->handlers;
	struct ipc_request *r = find(c, m->request_id);

	/* Not there: its answer is on the way already. */
	if (r && h->cancelled)
		h->cancelled(h->userdata, r, m->finish, false);
}

static bool has_place(struct connection *c)
{
	if (c->user->n_requests < LIMIT_REQUESTS_PER_UID)
		return true;
	for (struct connection *other = c->server->connections; other; other = other->next)
		if (other->user == c->user)
			connection_settle_fds(other);
	return c->user->n_requests < LIMIT_REQUESTS_PER_UID;
}

void request_dispatch(
	struct connection *c, const Profd__V1__Request *message, int *fds, size_t n_fds)
{
	const struct ipc_handlers *h = &c->server->handlers;

	switch (message->body_case) {
	case PROFD__V1__REQUEST__BODY_CANCEL:
		cancel(c, message->cancel);
		return;
	case PROFD__V1__REQUEST__BODY__NOT_SET:
		request_refuse(c, message->id, EXIT_CODE_USAGE,
			"%s does not know this request: use the client of the same release",
			h->version);
		return;
	default:
		break;
	}
	if (find(c, message->id)) {
		connection_fail(
			c, message->id, EXIT_CODE_USAGE, "request %u is still open", message->id);
		return;
	}
	if (!has_place(c)) {
		request_refuse(c, message->id, EXIT_CODE_FAILED,
			"uid %u has %u requests open or answers unread, at most %u: wait for one",
			c->user->uid, c->user->n_requests, LIMIT_REQUESTS_PER_UID);
		return;
	}
	struct ipc_request *r = calloc(1, sizeof(*r));
	if (!r) {
		request_refuse(c, message->id, EXIT_CODE_FAILED, "out of memory");
		return;
	}
	r->connection = c;
	r->id = message->id;
	r->next = c->requests;
	c->requests = r;
	c->user->n_requests++;
	h->request(h->userdata, r, message, fds, n_fds);
}

static void request_free_one(struct ipc_request *r)
{
	struct ipc_request **at = &r->connection->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->connection->user->n_requests--;
	free(r);
}

void requests_cancel(struct connection *c)
{
	const struct ipc_handlers *h = &c->server->handlers;

	for (struct ipc_request *r = c->requests; r; r = r->next)
		r->gone = true;
	while (c->requests) {
		if (h->cancelled)
			h->cancelled(h->userdata, c->requests, false, true);
		request_free_one(c->requests);
	}
}

const struct peer *ipc_request_peer(const struct ipc_request *r)
{
	return &r->connection->peer;
}

uint64_t ipc_request_connection(const struct ipc_request *r)
{
	return r->connection->id;
}

void ipc_request_set_userdata(struct ipc_request *r, void *userdata)
{
	r->userdata = userdata;
}

void *ipc_request_userdata(const struct ipc_request *r)
{
	return r->userdata;
}

/* Queues an answer; one that no frame can hold is replaced by an error. */
static void push_answer(struct connection *c, Profd__V1__Reply *reply, int fd)
{
	struct error error = ERROR_INIT;
	bool was_empty = frame_out_empty(c->out);
	bool with_fd = fd >= 0;

	int r = frame_out_push(c->out, &reply->base, fd);
	if (r == 0 && with_fd) {
		c->unread_fds++;
		c->user->n_requests++;
	}
	if (r == -EMSGSIZE || (r == -ENOBUFS && was_empty)) {
		(void)error_set(&error, r, EXIT_CODE_FAILED,
			"the answer does not fit into %llu bytes: ask for less",
			LIMIT_MESSAGE_BYTES);
		r = connection_push_error(c, reply->id, &error);
	}
	if (r < 0)
		connection_kill(c);
}

void ipc_request_reply(struct ipc_request *r, Profd__V1__Reply *reply, int fd)
{
	struct connection *c = r->connection;

	if (r->gone) {
		close_fd(fd);
		return;
	}
	reply->id = r->id;
	request_free_one(r);
	if (c->dead) {
		close_fd(fd);
		return;
	}
	push_answer(c, reply, fd);
	connection_flush(c);
}

void ipc_request_fail(struct ipc_request *r, const struct error *error)
{
	Profd__V1__ErrorReply body = PROFD__V1__ERROR_REPLY__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;

	/* An error that was returned without words, as -ENOMEM is, is a failure all the same. */
	body.code = error->code == EXIT_CODE_OK ? EXIT_CODE_FAILED : error->code;
	body.text = error->text[0] ? (char *)error->text : (char *)"out of memory";
	reply.body_case = PROFD__V1__REPLY__BODY_ERROR;
	reply.error = &body;
	ipc_request_reply(r, &reply, -1);
}

void ipc_request_progress(
	struct ipc_request *r, uint64_t done_ns, uint64_t total_ns, const char *text)
{
	Profd__V1__Progress body = PROFD__V1__PROGRESS__INIT;
	Profd__V1__Reply reply = PROFD__V1__REPLY__INIT;
	struct connection *c = r->connection;

	if (r->gone || c->dead || !frame_out_empty(c->out))
		return;
	body.done_ns = done_ns;
	body.total_ns = total_ns;
	body.text = (char *)(text ? text : "");
	reply.id = r->id;
	reply.body_case = PROFD__V1__REPLY__BODY_PROGRESS;
	reply.progress = &body;
	if (frame_out_push(c->out, &reply.base, -1) == 0)
		connection_flush(c);
}
