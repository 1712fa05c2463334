/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns connections and requests, from accept() to the last byte. A peer that the kernel says is of
 * another user is told 403 whatever it sends; what it sends is not looked at.
 *
 * A request belongs to libmicrohttpd's thread, but for the time that its connection is suspended:
 * then it belongs to the thread that makes its answer. That one gives it back by resuming.
 */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "base/clock.h"
#include "base/table.h"
#include "http/answer.h"
#include "http/connections.h"
#include "http/guard.h"
#include "http/peer.h"
#include "http/server.h"
#include "http/uri.h"

enum request_state { REQUEST_NEW, REQUEST_READING, REQUEST_WORKING, REQUEST_DONE };

struct server {
	const struct listener *listener;
	const char *socket;
	struct MHD_Daemon *mhd;
	struct connections connections;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned collecting, asking; /* threads */
	atomic_bool stopping;
};

struct request {
	struct server *server;
	struct MHD_Connection *connection;
	int fd; /* of the connection; borrowed */
	enum request_state state;
	char *target; /* owned; the uri borrows from it */
	struct uri uri;
	int uri_result;
	struct route route;
	struct http_answer answer;
	bool post;
	char *body; /* owned; of a POST */
	size_t body_bytes;
};

/* ---- answers ---- */

static const char *policy_text(enum answer_policy policy)
{
	switch (policy) {
	case ANSWER_PAGE:
		return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src "
		       "'self'; frame-src 'self'; img-src data:; base-uri 'none'; form-action "
		       "'none'; frame-ancestors 'none'";
	case ANSWER_GRAPH:
		return "default-src 'none'; script-src 'unsafe-inline'; style-src "
		       "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
		       "frame-ancestors 'self'; sandbox allow-scripts";
	default:
		return "default-src 'none'; frame-ancestors 'none'; sandbox";
	}
}

static void add_headers(struct MHD_Response *m, const struct http_answer *a)
{
	const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Type", a->type },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy", policy_text(a->policy) },
		{ "X-Frame-Options", a->policy == ANSWER_GRAPH ? "SAMEORIGIN" : "DENY" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cache-Control", "no-store" },
		{ "Content-Disposition", *a->disposition ? a->disposition : NULL },
		{ "Location", *a->location ? a->location : NULL },
		{ "Allow", a->allow },
		{ "X-Go-Pprof", a->pprof_error ? "1" : NULL },
		{ "Retry-After", a->status == 503 ? "1" : NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		if (headers[i].value)
			(void)MHD_add_response_header(m, headers[i].name, headers[i].value);
}

/* The bytes stay the request's, which lives until they are sent. */
static enum MHD_Result send_answer(struct request *r)
{
	struct MHD_Response *m = MHD_create_response_from_buffer(
		r->answer.n, (void *)(uintptr_t)r->answer.data, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!m)
		return MHD_NO;
	add_headers(m, &r->answer);
	r->state = REQUEST_DONE;
	connections_allow(&r->server->connections, r->fd, HTTP_ANSWER_SECONDS);
	result = MHD_queue_response(r->connection, r->answer.status, m);
	MHD_destroy_response(m);
	return result;
}

static enum MHD_Result refuse(struct request *r, unsigned status, bool pprof, const char *text)
{
	http_answer_error(&r->answer, status, pprof, text);
	return send_answer(r);
}

/* ---- threads ---- */

static bool client_gone(void *userdata)
{
	const struct request *r = userdata;
	struct pollfd p = { .fd = r->fd, .events = POLLRDHUP };

	return atomic_load(&r->server->stopping) ||
	       (poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static void *work(void *userdata)
{
	struct request *r = userdata;
	struct server *s = r->server;
	bool collects = route_collects(&r->route);
	struct http_answer_from from = {
		.socket = s->socket,
		.url = s->listener->url,
		.body = r->post ? r->body ?: "" : NULL,
		.body_n = r->body_bytes,
		.gone = client_gone,
		.userdata = r,
	};

	http_answer_route(&r->answer, &r->route, r->uri.query, &from);
	MHD_resume_connection(r->connection);
	pthread_mutex_lock(&s->lock);
	*(collects ? &s->collecting : &s->asking) -= 1;
	pthread_cond_signal(&s->idle);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static bool take_place(struct server *s, bool collects)
{
	static const unsigned most[] = { HTTP_ASKING, HTTP_COLLECTING };
	unsigned *n = collects ? &s->collecting : &s->asking;
	bool room;

	pthread_mutex_lock(&s->lock);
	room = !atomic_load(&s->stopping) && *n < most[collects];
	*n += room;
	pthread_mutex_unlock(&s->lock);
	return room;
}

static int start_thread(struct request *r)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int n = pthread_attr_init(&attributes);

	if (n)
		return -n;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, HTTP_STACK_BYTES);
	n = pthread_create(&thread, &attributes, work, r);
	(void)pthread_attr_destroy(&attributes);
	return -n;
}

static enum MHD_Result start_work(struct request *r)
{
	struct server *s = r->server;
	bool collects = route_collects(&r->route);
	bool pprof = r->route.kind == ROUTE_PROFILE || r->route.kind == ROUTE_NAMED;

	if (!take_place(s, collects))
		return refuse(r, 503, pprof,
			collects ? "too many profiles are being collected; try again"
				 : "too many requests; try again");
	r->state = REQUEST_WORKING;
	connections_allow(&s->connections, r->fd, 0);
	MHD_suspend_connection(r->connection);
	if (start_thread(r) == 0)
		return MHD_YES;
	http_answer_error(&r->answer, 503, pprof, "cannot start a thread; try again");
	MHD_resume_connection(r->connection);
	pthread_mutex_lock(&s->lock);
	*(collects ? &s->collecting : &s->asking) -= 1;
	pthread_mutex_unlock(&s->lock);
	return MHD_YES;
}

/* ---- requests ---- */

static const char *header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result count_host(
	void *userdata, enum MHD_ValueKind kind, const char *key, const char *value)
{
	unsigned *n = userdata;

	(void)kind;
	(void)value;
	*n += !strcasecmp(key, "Host");
	return MHD_YES;
}

/* The one Host header (RFC 9112 3.2); NULL: there is none, or more. */
static const char *only_host(const struct request *r)
{
	unsigned n = 0;

	(void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_host, &n);
	return n == 1 ? header(r, "Host") : NULL;
}

/* 0, or the status of an answer that has been made. */
static int check(struct request *r, const char *method)
{
	struct server *s = r->server;
	const char *host = only_host(r), *length = header(r, "Content-Length");
	struct error error = ERROR_INIT;
	bool pprof = false;
	int status = 0;

	if (connections_stranger(&s->connections, r->fd)) {
		status = 403;
		error_set(&error, -EPERM, EXIT_CODE_DENIED,
			"denied: this is another user's; run your own: profctl serve");
	} else if (*s->listener->host && !guard_host(host, s->listener->host)) {
		status = 403;
		error_set(&error, -EPERM, EXIT_CODE_DENIED,
			"denied: not a name of this server; ask for %.200s", s->listener->url);
	} else if (!guard_site(host, header(r, "Origin"), header(r, "Sec-Fetch-Site"))) {
		status = 403;
		error_set(&error, -EPERM, EXIT_CODE_DENIED, "denied: asked by another site");
	} else if (r->uri_result < 0) {
		status = r->uri_result == -E2BIG ? 414 : 400;
		error_set(&error, r->uri_result, EXIT_CODE_FAILED,
			status == 414 ? "URI Too Long" : "Bad Request");
	} else if (length && strtoull(length, NULL, 10) > HTTP_BODY_BYTES) {
		status = 413;
		error_set(&error, -EFBIG, EXIT_CODE_FAILED, "Request Entity Too Large");
	} else {
		status = route_parse(&r->route, &r->uri, method, &pprof, &error);
	}
	if (status)
		http_answer_error(&r->answer, (unsigned)status, pprof, error.text);
	return status;
}

static enum MHD_Result dispatch(struct request *r)
{
	struct http_answer_from from = { .socket = NULL };

	if (!http_answer_is_quick(&r->route))
		return start_work(r);
	http_answer_route(&r->answer, &r->route, r->uri.query, &from);
	return send_answer(r);
}

/* A body says something where addresses are asked for; anything else's is passed over. */
static bool take_data(struct request *r, const char *data, size_t n)
{
	char *body;

	if (n > HTTP_BODY_BYTES - r->body_bytes)
		return false;
	if (r->post) {
		body = realloc(r->body, r->body_bytes + n);
		if (!body)
			return false;
		memcpy(body + r->body_bytes, data, n);
		r->body = body;
	}
	r->body_bytes += n;
	return true;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *data_n, void **context)
{
	struct request *r = *context;

	(void)cls;
	(void)url;
	(void)version;
	if (!r)
		return MHD_NO;
	switch (r->state) {
	case REQUEST_NEW:
		r->state = REQUEST_READING;
		r->connection = connection;
		r->post = !strcmp(method, "POST");
		return check(r, method) ? send_answer(r) : MHD_YES;
	case REQUEST_READING:
		if (!*data_n)
			return dispatch(r);
		if (!take_data(r, data, *data_n))
			return MHD_NO;
		*data_n = 0;
		return MHD_YES;
	case REQUEST_WORKING:
		return send_answer(r);
	default:
		return MHD_YES;
	}
}

static int fd_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static struct request *drop_request(struct request *r)
{
	if (!r)
		return NULL;
	http_answer_deinit(&r->answer);
	route_deinit(&r->route);
	free(r->target);
	free(r->body);
	free(r);
	return NULL;
}

/* The request that a connection has: libmicrohttpd does not say of each that it is over, where it
 * refused it by itself. */
struct holder {
	struct request *request; /* owned */
};

static struct holder *holder_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void *on_uri(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct holder *holder = holder_of(connection);
	struct request *r = holder ? calloc(1, sizeof(*r)) : NULL;

	if (!r)
		return NULL;
	drop_request(holder->request);
	holder->request = r;
	r->server = cls;
	r->fd = fd_of(connection);
	r->route = (struct route)ROUTE_INIT;
	r->target = strdup(target);
	r->uri_result = r->target ? uri_parse(&r->uri, r->target) : -ENOMEM;
	return r;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_RequestTerminationCode code)
{
	struct server *s = cls;
	struct holder *holder = holder_of(connection);

	(void)code;
	*context = NULL;
	connections_allow(&s->connections, fd_of(connection), HTTP_REQUEST_SECONDS);
	if (holder)
		holder->request = drop_request(holder->request);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;
	struct holder *holder = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = calloc(1, sizeof(*holder));
		return;
	}
	connections_remove(&s->connections, fd_of(connection));
	if (holder)
		drop_request(holder->request);
	free(holder);
	*context = NULL;
}

/* ---- the server ---- */

static bool is_stranger(int fd)
{
	uint32_t uid;

	return peer_uid(fd, &uid) < 0 || (uid != 0 && uid != geteuid());
}

void server_accept(struct server *s, int listening)
{
	for (unsigned i = 0; i < HTTP_CONNECTIONS; i++) {
		struct sockaddr_storage address;
		socklen_t n = sizeof(address);
		int fd;

		if (connections_full(&s->connections))
			return;
		fd = accept4(
			listening, (struct sockaddr *)&address, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		if (connections_add(&s->connections, fd, is_stranger(fd)) < 0) {
			close_fd(fd);
			continue;
		}
		/* Closes it where that fails. */
		if (MHD_add_connection(s->mhd, fd, (struct sockaddr *)&address, n) != MHD_YES)
			connections_remove(&s->connections, fd);
	}
}

bool server_tick(struct server *s)
{
	connections_end_late(&s->connections, clock_monotonic_ns());
	return !connections_full(&s->connections);
}

static int start(struct server *s, struct error *error)
{
	(void)hash_seed(); /* drawn before there are threads */
	s->mhd = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD |
					  MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
					  MHD_USE_ITC,
		0, NULL, NULL, on_request, s, MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADER_BYTES,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, s, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!s->mhd)
		return error_set(error, -EIO, EXIT_CODE_FAILED, "cannot start the HTTP server: %s",
			strerror(errno));
	return 0;
}

int server_new(struct server **ret, const struct listener *listener, const char *socket,
	struct error *error)
{
	struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	s->listener = listener;
	s->socket = socket;
	connections_init(&s->connections);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	r = start(s, error);
	if (r < 0) {
		server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s)
		return NULL;
	atomic_store(&s->stopping, true);
	pthread_mutex_lock(&s->lock);
	while (s->collecting || s->asking)
		pthread_cond_wait(&s->idle, &s->lock);
	pthread_mutex_unlock(&s->lock);
	if (s->mhd)
		MHD_stop_daemon(s->mhd);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
	connections_deinit(&s->connections);
	free(s);
	return NULL;
}
