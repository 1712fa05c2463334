/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the client's end of the socket. Does not know what requests mean. The daemon is trusted as
 * far as the socket's path is: whoever names another path may talk to anybody, so every reply is
 * checked.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/interrupt.h"
#include "client/remote.h"

struct remote {
	int sock;
	uint32_t last_id;
	struct frame_in in;
	struct frame_out *out;
	Profd__V1__Reply *hello;
};

const char *remote_socket(const char *option)
{
	const char *env = getenv("PROFD_SOCKET");

	if (option)
		return option;
	return env && *env ? env : REMOTE_DEFAULT_SOCKET;
}

struct remote *remote_free(struct remote *r)
{
	if (!r)
		return NULL;
	reply_free(r->hello);
	frame_in_deinit(&r->in);
	frame_out_free(r->out);
	close_fd(r->sock);
	free(r);
	return NULL;
}

int remote_fd(const struct remote *r)
{
	return r->sock;
}

const Profd__V1__HelloReply *remote_hello(const struct remote *r)
{
	return r->hello->hello;
}

static int no_daemon(const char *path, int r, struct error *error)
{
	if (r == -EACCES)
		return error_set(error, r, EXIT_CODE_DENIED,
			"not allowed to connect to %s; "
			"see its permissions and those of the folders above",
			path);
	return error_set(error, r, EXIT_CODE_NO_DAEMON,
		"no daemon on %s (%s); start it: sudo systemctl start profd, "
		"or: sudo profd attach --pid PID",
		path, strerror(-r));
}

static int dial(const char *path, struct error *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int sock = -1;
	int tries = 0;

	if (!*path || strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad socket path '%.120s': 1 to %zu characters are needed", path,
			sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return error_set(error, -errno, EXIT_CODE_FAILED, "cannot make a socket: %s",
			strerror(errno));
	while (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0) {
		/* A full backlog: the daemon is there and busy. */
		if (errno == EAGAIN && tries++ < 100)
			poll(NULL, 0, 50);
		else if (errno != EINTR)
			return no_daemon(path, -errno, error);
	}
	return TAKE_FD(sock);
}

static int lost(struct error *error)
{
	return error_set(error, -ECONNRESET, EXIT_CODE_NO_DAEMON,
		"the daemon closed the connection; see its log: journalctl -u profd");
}

static int ask_to_finish(struct remote *r, uint32_t id)
{
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__CancelRequest cancel = PROFD__V1__CANCEL_REQUEST__INIT;

	cancel.request_id = id;
	cancel.finish = true;
	request.id = ++r->last_id;
	request.body_case = PROFD__V1__REQUEST__BODY_CANCEL;
	request.cancel = &cancel;
	return frame_out_push(r->out, &request.base, -1);
}

/* One decoded reply to `id`: 1, or 0 when there is no whole one yet. */
static int next_reply(struct remote *r, uint32_t id, const struct remote_wait *wait,
	Profd__V1__Reply **ret, struct error *error)
{
	for (;;) {
		CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
		const uint8_t *bytes;
		size_t n;
		int got;

		got = frame_in_next(&r->in, &bytes, &n);
		if (got == 0)
			return 0;
		if (got > 0)
			reply = reply_decode(bytes, n);
		if (!reply)
			return error_set(error, -EPROTO, EXIT_CODE_FAILED,
				"the daemon's answer cannot be read; "
				"is it another version? See: profd --version");
		if (reply->body_case == PROFD__V1__REPLY__BODY_PROGRESS && reply->id == id) {
			if (wait->progress)
				wait->progress(wait->userdata, reply->progress);
			continue;
		}
		/* id 0: said of the connection as a whole. Others: to a cancel, or too late. */
		if (reply->id != id &&
			!(reply->id == 0 && reply->body_case == PROFD__V1__REPLY__BODY_ERROR))
			continue;
		*ret = TAKE_PTR(reply);
		return 1;
	}
}

static int on_interrupt(struct remote *r, uint32_t id, unsigned *count, struct error *error)
{
	struct interrupt interrupt;

	while (interrupt_take(&interrupt)) {
		if ((*count)++)
			return error_set(error, -ECANCELED, EXIT_CODE_FAILED,
				"interrupted; nothing was written");
		if (ask_to_finish(r, id) < 0)
			return lost(error);
	}
	return 0;
}

/* Waits for the socket or a signal, and moves bytes. */
static int turn(struct remote *r, uint32_t id, const struct remote_wait *wait, uint64_t deadline_ns,
	unsigned *interrupts, struct error *error)
{
	struct pollfd p[2] = {
		{ .fd = r->sock, .events = POLLIN | (frame_out_empty(r->out) ? 0 : POLLOUT) },
		{ .fd = wait->interrupts ? interrupt_fd() : -1, .events = POLLIN },
	};
	uint64_t now = clock_monotonic_ns();
	ssize_t n;
	int ready;

	if (now >= deadline_ns)
		return error_set(error, -ETIMEDOUT, EXIT_CODE_FAILED,
			"the daemon has not answered for %d s; see its log: journalctl -u profd",
			wait->silence_ms / 1000);
	ready = poll(p, 2, (int)MIN((deadline_ns - now) / NS_PER_MS + 1, 1000000U));
	if (ready < 0 && errno != EINTR)
		return error_set(
			error, -errno, EXIT_CODE_FAILED, "cannot wait: %s", strerror(errno));
	if (ready <= 0)
		return 0;
	if (p[1].revents && on_interrupt(r, id, interrupts, error) < 0)
		return -ECANCELED;
	/* A daemon that refuses answers before it closes: what it said is read before giving up. */
	if ((p[0].revents & POLLOUT) && frame_out_flush(r->out, r->sock) < 0 &&
		!(p[0].revents & POLLIN))
		return lost(error);
	if (!(p[0].revents & (POLLIN | POLLHUP | POLLERR)))
		return 0;
	n = frame_in_read(&r->in, r->sock);
	if (n == 0 || (n < 0 && n != -EAGAIN))
		return lost(error);
	return n > 0;
}

static int take_fd(struct remote *r, int *ret)
{
	/* One descriptor at most belongs to a reply; whatever else came is closed with the rest. */
	return r->in.n_fds ? frame_in_take_fds(&r->in, ret, 1) : 0;
}

int remote_call(struct remote *r, Profd__V1__Request *request, const struct target_message *target,
	int expected, const struct remote_wait *wait, Profd__V1__Reply **ret, int *ret_fd,
	struct error *error)
{
	CLEANUP(reply_freep) Profd__V1__Reply *reply = NULL;
	_cleanup_close_ int fd = -1;
	unsigned interrupts = 0;
	uint64_t deadline_ns;
	int n;

	request->id = ++r->last_id;
	if (target)
		n = frame_out_push_fds(r->out, &request->base, target->fds, target->n_fds);
	else
		n = frame_out_push(r->out, &request->base, -1);
	if (n < 0)
		return error_set(
			error, n, EXIT_CODE_FAILED, "cannot send the request: %s", strerror(-n));
	deadline_ns = clock_monotonic_ns() + wait->silence_ms * NS_PER_MS;
	for (;;) {
		n = next_reply(r, request->id, wait, &reply, error);
		if (n < 0)
			return n;
		if (n > 0)
			break;
		n = turn(r, request->id, wait, deadline_ns, &interrupts, error);
		if (n < 0)
			return n;
		if (n > 0)
			deadline_ns = clock_monotonic_ns() + wait->silence_ms * NS_PER_MS;
	}
	if (reply->body_case == PROFD__V1__REPLY__BODY_ERROR)
		return error_set(error, -EREMOTEIO,
			reply->error->code && reply->error->code < 128 ? reply->error->code
								       : EXIT_CODE_FAILED,
			"%s", reply->error->text);
	if ((int)reply->body_case != expected)
		return error_set(error, -EPROTO, EXIT_CODE_FAILED,
			"the daemon answered something else; "
			"is it another version? See: profd --version");
	if (take_fd(r, &fd) < 0)
		return lost(error);
	*ret = TAKE_PTR(reply);
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

static int hello(struct remote *r, struct error *error)
{
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__HelloRequest body = PROFD__V1__HELLO_REQUEST__INIT;
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };
	static char client[] = "profctl " PROFD_VERSION;

	body.version = WIRE_VERSION;
	body.client = client;
	request.body_case = PROFD__V1__REQUEST__BODY_HELLO;
	request.hello = &body;
	return remote_call(
		r, &request, NULL, PROFD__V1__REPLY__BODY_HELLO, &wait, &r->hello, NULL, error);
}

int remote_connect(const char *socket_option, struct remote **ret, struct error *error)
{
	CLEANUP(remote_freep) struct remote *r = calloc(1, sizeof(*r));
	int n;

	if (!r)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	r->sock = dial(remote_socket(socket_option), error);
	if (r->sock < 0)
		return r->sock;
	n = frame_out_new(&r->out, LIMIT_MESSAGE_BYTES);
	if (n < 0)
		return error_set(error, n, EXIT_CODE_FAILED, "out of memory");
	n = hello(r, error);
	if (n < 0)
		return n;
	*ret = TAKE_PTR(r);
	return 0;
}
