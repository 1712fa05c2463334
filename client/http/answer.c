/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from a route to its answer. Profiles come whole and are passed on as they came. What
 * the daemon says went wrong is passed on with the HTTP status that fits its exit code.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/clock.h"
#include "base/io.h"
#include "client/load.h"
#include "http/answer.h"
#include "http/assets.h"
#include "http/collect.h"
#include "http/page.h"
#include "http/symbol.h"
#include "profile/pprof.h"
#include "view/filter.h"
#include "view/flame.h"
#include "view/view.h"

#define CMDLINE_BYTES (4 * MIB) /* more than execve() takes */
#define RECENT_NS     (60 * NS_PER_SEC)

static const char text_plain[] = "text/plain; charset=utf-8";
static const char text_html[] = "text/html; charset=utf-8";

void http_answer_deinit(struct http_answer *a)
{
	fetched_deinit(&a->fetched);
	free(a->body);
	*a = (struct http_answer){ .status = 0 };
}

static void take_body(struct http_answer *a, const char *type, char *body, size_t n)
{
	a->status = 200;
	a->type = type;
	a->body = body;
	a->data = body;
	a->n = n;
}

void http_answer_error(struct http_answer *a, unsigned status, bool pprof, const char *text)
{
	char *body = NULL;
	int n = asprintf(&body, "%s\n", text);

	http_answer_deinit(a);
	if (n < 0) {
		body = NULL;
		n = 0;
	}
	take_body(a, text_plain, body, (size_t)n);
	a->status = status;
	a->pprof_error = pprof;
	if (status == 405)
		a->allow = "GET, HEAD";
}

static unsigned status_of(const struct error *e)
{
	switch (e->code) {
	case EXIT_CODE_NO_TARGET:
		return 404;
	case EXIT_CODE_DENIED:
		return 403;
	case EXIT_CODE_USAGE:
		return 400;
	case EXIT_CODE_NO_DAEMON:
		return 503;
	default:
		return 500;
	}
}

static void fail(struct http_answer *a, const struct error *e, bool pprof)
{
	http_answer_error(a, status_of(e), pprof, e->text);
}

static void no_memory(struct http_answer *a)
{
	http_answer_error(a, 500, true, "out of memory");
}

/* ---- profiles ---- */

static int encode(struct http_answer *a, const struct profile *p)
{
	_cleanup_close_ int fd = io_memfd("profile");
	char *body;
	size_t n;
	int result = fd < 0 ? fd : pprof_write(p, fd, 1);

	if (result == 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = -errno;
	if (result == 0)
		result = io_read_fd(fd, LIMIT_PROFILE_BYTES, &body, &n);
	if (result == 0)
		take_body(a, "application/octet-stream", body, n);
	return result;
}

static int render_text(struct http_answer *a, const struct profile *p)
{
	struct view_options o = { 0 };
	struct error error = ERROR_INIT;
	char *body = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&body, &n);
	int r = out ? view_text(p, &o, out, &error) : -ENOMEM;

	if (!out || fclose(out) || r < 0) {
		free(body);
		return -ENOMEM;
	}
	take_body(a, text_plain, body, n);
	return 0;
}

/* The profile that was fetched, or what was `made` of several, or where n says so the empty one; as
 * text where that is asked for, else as it came. */
static int put_profile(struct http_answer *a, const struct route *r, int n, struct profile *made,
	uint64_t from_ns, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = made;

	if (n < 0) {
		n = collect_nothing(r, from_ns, error->text, &p);
		if (n != -EINVAL) /* of a type that only the daemon knows */
			*error = (struct error)ERROR_INIT;
	} else if (r->debug) {
		n = pprof_decode(a->fetched.data, a->fetched.n, &p, error);
	}
	if (n < 0)
		return n;
	if (p)
		return r->debug ? render_text(a, p) : encode(a, p);
	a->data = a->fetched.data;
	a->n = a->fetched.n;
	a->status = 200;
	a->type = "application/octet-stream";
	return 0;
}

static void make_profile(struct http_answer *a, struct caller *c, const struct route *r)
{
	struct error error = ERROR_INIT;
	struct profile *started = NULL;
	uint64_t from_ns = clock_wall_ns();
	bool cpu = r->kind == ROUTE_PROFILE;
	int n;

	if (!collect_has(c->remote, r->name)) {
		http_answer_error(a, 404, true, "Unknown profile");
		return;
	}
	if (!r->seconds)
		n = collect_held(c, r, 0, &a->fetched, &error);
	else if (collect_is_of_now(r))
		n = collect_started(c, r, &started, &error);
	else
		n = collect(c, r, r->seconds, 0, &a->fetched, &error);
	if (n == 0 || error.code == EXIT_CODE_EMPTY)
		n = put_profile(a, r, n, started, from_ns, &error);
	if (n < 0 && error.code)
		fail(a, &error, true);
	else if (n < 0)
		no_memory(a);
	else if (!r->debug)
		(void)snprintf(a->disposition, sizeof(a->disposition),
			"attachment; filename=\"%s%s\"", cpu ? "profile" : r->name,
			!cpu && r->seconds ? "-delta" : "");
}

/* ---- the flame graph ---- */

static int draw(const struct fetched *f, const char *type, FILE *out, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct view_options o = { 0 };
	/* What waits ends in what it waits for. */
	struct filter filter = { .tagleaf = type_has_states(type) ? "state" : NULL };
	_cleanup_free_ char *said = NULL;
	size_t n = 0;
	_cleanup_fclose_ FILE *notes = open_memstream(&said, &n);
	int r = pprof_decode(f->data, f->n, &p, error);

	if (r == 0)
		r = notes ? filter_apply(p, &filter, notes, error) : -ENOMEM;
	return r < 0 ? r : view_html(p, &o, out, error);
}

/* With seconds: the next ones. Without: the last minute where something is collected, else a few
 * seconds from now. */
static void make_graph(struct http_answer *a, struct caller *c, const struct route *r)
{
	CLEANUP(fetched_deinit) struct fetched f = FETCHED_INIT;
	struct error error = ERROR_INIT;
	char *body = NULL;
	size_t size = 0;
	FILE *out;
	int n;

	if (!collect_has(c->remote, r->name)) {
		http_answer_error(a, 404, false, "Unknown profile");
		return;
	}
	n = r->seconds ? collect(c, r, r->seconds, 0, &f, &error)
		       : collect_held(c, r, RECENT_NS, &f, &error);
	out = open_memstream(&body, &size);
	if (!out) {
		no_memory(a);
		return;
	}
	if (n == 0)
		n = draw(&f, r->name, out, &error);
	else if (error.code == EXIT_CODE_EMPTY)
		n = page_empty(out, error.text);
	if (fclose(out) && n == 0)
		n = error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (n == 0 && size > HTTP_GRAPH_BYTES)
		n = error_set(&error, -EFBIG, EXIT_CODE_FAILED,
			"the graph is larger than %u bytes; ask for the profile instead",
			HTTP_GRAPH_BYTES);
	if (n < 0) {
		free(body);
		fail(a, &error, false);
		return;
	}
	take_body(a, text_html, body, size);
	a->policy = ANSWER_GRAPH;
}

/* ---- pages ---- */

static int ask(struct caller *c, Profd__V1__Request *request, int expected, Profd__V1__Reply **ret,
	struct error *error)
{
	struct remote_wait wait = { .silence_ms = REMOTE_ANSWER_MS };

	return remote_call(c->remote, request, NULL, expected, &wait, ret, NULL, error);
}

static int ask_all(struct caller *c, Profd__V1__Reply **ret_status, Profd__V1__Reply **ret_list,
	struct error *error)
{
	Profd__V1__Request request = PROFD__V1__REQUEST__INIT;
	Profd__V1__StatusRequest status = PROFD__V1__STATUS_REQUEST__INIT;
	Profd__V1__ListRequest list = PROFD__V1__LIST_REQUEST__INIT;
	int r;

	request.body_case = PROFD__V1__REQUEST__BODY_STATUS;
	request.status = &status;
	r = ask(c, &request, PROFD__V1__REPLY__BODY_STATUS, ret_status, error);
	if (r < 0)
		return r;
	list.all = true;
	request.body_case = PROFD__V1__REQUEST__BODY_LIST;
	request.list = &list;
	return ask(c, &request, PROFD__V1__REPLY__BODY_LIST, ret_list, error);
}

static void make_page(
	struct http_answer *a, struct caller *c, const struct route *r, const char *query)
{
	CLEANUP(reply_freep) Profd__V1__Reply *status = NULL;
	CLEANUP(reply_freep) Profd__V1__Reply *list = NULL;
	struct error error = ERROR_INIT;
	char *body = NULL;
	size_t n = 0;
	FILE *out;

	if (r->kind == ROUTE_OVERVIEW && ask_all(c, &status, &list, &error) < 0) {
		fail(a, &error, false);
		return;
	}
	out = open_memstream(&body, &n);
	if (!out) {
		no_memory(a);
		return;
	}
	if (r->kind == ROUTE_OVERVIEW)
		page_overview(
			out, c->from->url, remote_hello(c->remote), status->status, list->list);
	else
		page_index(out, r, query, remote_hello(c->remote));
	if (fclose(out)) {
		free(body);
		no_memory(a);
		return;
	}
	take_body(a, text_html, body, n);
	a->policy = ANSWER_PAGE;
}

/* ---- names of addresses ---- */

/* What is held of the process; NULL: nothing. */
static int fetch_held(struct route *r, const struct http_answer_from *from, struct profile **ret,
	struct error *error)
{
	CLEANUP(fetched_deinit) struct fetched f = FETCHED_INIT;
	CLEANUP(remote_freep) struct remote *remote = NULL;
	struct caller c = { .from = from };
	int n = target_args_open(&r->target, true, error);

	if (n == 0)
		n = remote_connect(from->socket, &remote, error);
	if (n < 0)
		return n;
	c.remote = remote;
	n = collect_has(remote, r->name) ? collect(&c, r, 0, 0, &f, error) : -ENODATA;
	if (n == 0)
		return pprof_decode(f.data, f.n, ret, error);
	return n == -ENODATA || error->code == EXIT_CODE_EMPTY || error->code == EXIT_CODE_NO_TARGET
		       ? 0
		       : n;
}

static void make_symbols(struct http_answer *a, struct route *r, const char *query,
	const struct http_answer_from *from)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct symbol_words words = { .text = query, .n = strlen(query), .separators = "+&" };
	struct error error = ERROR_INIT;
	char *body = NULL;
	size_t n = 0;
	FILE *out;
	int result;

	if (from->body)
		words = (struct symbol_words){ from->body, from->body_n, "+" };
	if (route_is_of_one(r) && symbol_words_ask(&words) && fetch_held(r, from, &p, &error) < 0) {
		fail(a, &error, false);
		return;
	}
	out = open_memstream(&body, &n);
	result = out ? symbol_write(&words, p, out) : -ENOMEM;
	if (!out || fclose(out) || result < 0) {
		free(body);
		if (result == -EFBIG)
			http_answer_error(a, 413, false, "too many names; ask for fewer addresses");
		else
			no_memory(a);
		return;
	}
	take_body(a, text_plain, body, n);
}

/* ---- without the daemon ---- */

/* With the rights of whoever serves; as net/http/pprof: no NUL behind the last word. */
static void make_cmdline(struct http_answer *a, const struct route *r)
{
	char path[64], why[128], *body;
	size_t n;
	int got;

	(void)snprintf(path, sizeof(path), "/proc/%u/cmdline", r->target.pids[0]);
	got = io_read_file(AT_FDCWD, path, CMDLINE_BYTES, &body, &n);
	if (got < 0) {
		(void)snprintf(why, sizeof(why),
			got == -ENOENT || got == -ESRCH ? "no process %u"
							: "cannot read the command line of %u",
			r->target.pids[0]);
		http_answer_error(a, got == -ENOENT || got == -ESRCH ? 404 : 403, true, why);
		return;
	}
	take_body(a, text_plain, body, n && !body[n - 1] ? n - 1 : n);
}

static void make_flame(struct http_answer *a, const struct route *r, const char *query)
{
	char *body = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&body, &n);

	if (out)
		page_flame(out, r, query);
	if (!out || fclose(out)) {
		free(body);
		no_memory(a);
		return;
	}
	take_body(a, text_html, body, n);
	a->policy = ANSWER_PAGE;
}

static void make_asset(struct http_answer *a, const struct route *r)
{
	const struct asset *asset = asset_find(r->name);

	if (!asset) {
		http_answer_error(a, 404, false, "404 page not found");
		return;
	}
	a->status = 200;
	a->type = asset->type;
	a->data = asset->data;
	a->n = strlen(asset->data);
}

bool http_answer_is_quick(const struct route *r)
{
	return r->kind == ROUTE_REDIRECT || r->kind == ROUTE_ASSET || r->kind == ROUTE_FLAME;
}

static void make_quick(struct http_answer *a, const struct route *r, const char *query)
{
	switch (r->kind) {
	case ROUTE_REDIRECT:
		http_answer_error(a, 301, false, "Moved Permanently");
		(void)snprintf(a->location, sizeof(a->location), "%s", r->location);
		break;
	case ROUTE_ASSET:
		make_asset(a, r);
		break;
	default:
		make_flame(a, r, query);
	}
}

void http_answer_route(struct http_answer *a, struct route *r, const char *query,
	const struct http_answer_from *from)
{
	CLEANUP(remote_freep) struct remote *remote = NULL;
	struct error error = ERROR_INIT;
	bool pprof = r->kind == ROUTE_PROFILE || r->kind == ROUTE_NAMED || r->kind == ROUTE_INDEX;
	struct caller c = { .from = from };

	if (http_answer_is_quick(r)) {
		make_quick(a, r, query);
		return;
	}
	if (r->kind == ROUTE_CMDLINE) {
		make_cmdline(a, r);
		return;
	}
	if (r->kind == ROUTE_SYMBOL) {
		make_symbols(a, r, query, from);
		return;
	}
	if (target_args_open(&r->target, false, &error) < 0 ||
		remote_connect(from->socket, &remote, &error) < 0) {
		fail(a, &error, pprof);
		return;
	}
	c.remote = remote;
	if (r->kind == ROUTE_FLAME_GRAPH)
		make_graph(a, &c, r);
	else if (r->kind == ROUTE_OVERVIEW || r->kind == ROUTE_INDEX)
		make_page(a, &c, r, query);
	else
		make_profile(a, &c, r);
}
