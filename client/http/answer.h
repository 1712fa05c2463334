/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request gets, but for how it is sent: the daemon is asked with the rights of whoever runs
 * `serve`, one connection an answer. Safe to call from threads.
 */
#ifndef PROFCTL_HTTP_ANSWER_H
#define PROFCTL_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include "client/fetch.h"
#include "http/route.h"

enum answer_policy {
	ANSWER_DATA,  /* nothing in it may run */
	ANSWER_PAGE,  /* our own script and style */
	ANSWER_GRAPH, /* what flame.h writes, in a sandbox of its own */
};

struct http_answer {
	unsigned status;
	const char *type; /* Content-Type; static */
	enum answer_policy policy;
	bool pprof_error;     /* X-Go-Pprof */
	char disposition[80]; /* "" for none */
	char location[64];
	const char *allow; /* static, NULL for none */
	const void *data;  /* borrowed from body, fetched or static */
	size_t n;
	char *body;		/* owned */
	struct fetched fetched; /* owned */
};

struct http_answer_from {
	const char *socket; /* the daemon's, as remote_connect() */
	const char *url;    /* of this server, to show */
	const char *body;   /* of a POST; NULL: the query is meant */
	size_t body_n;
	/* The client does not wait any more; asked several times a second. */
	bool (*gone)(void *userdata);
	void *userdata;
};

void http_answer_deinit(struct http_answer *a);
/* One line, with a newline. */
void http_answer_error(struct http_answer *a, unsigned status, bool pprof, const char *text);
/* Fills in *a, also with what went wrong. `query`: of the request, to be passed on by links. */
void http_answer_route(struct http_answer *a, struct route *r, const char *query,
	const struct http_answer_from *from);
/* It is answered at once: by neither the daemon nor a process, which may let one wait. */
bool http_answer_is_quick(const struct route *r);

#endif
