/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request asks for: net/http/pprof's paths for everything that the user may see, for a
 * process (/proc/PID/debug/pprof/...) and for targets (?pid=, ?comm=, ?exe=, ?unit=, ?cgroup=), and
 * the pages. A type that is about waiting takes ?state=, a flame graph ?type=. Pure: neither a
 * daemon nor a process is asked. Semantics of parameters and the texts of errors are those of
 * net/http/pprof (https://go.dev/src/net/http/pprof/pprof.go).
 */
#ifndef PROFCTL_HTTP_ROUTE_H
#define PROFCTL_HTTP_ROUTE_H

#include "base/error.h"
#include "client/target_args.h"
#include "client/wait_args.h"
#include "http/uri.h"

#define ROUTE_TYPE_BYTES 32

enum route_kind {
	ROUTE_OVERVIEW,	   /* / */
	ROUTE_ASSET,	   /* /assets/NAME */
	ROUTE_INDEX,	   /* .../debug/pprof/ */
	ROUTE_PROFILE,	   /* .../debug/pprof/profile: cpu for `seconds` */
	ROUTE_NAMED,	   /* .../debug/pprof/TYPE */
	ROUTE_CMDLINE,	   /* .../debug/pprof/cmdline */
	ROUTE_SYMBOL,	   /* .../debug/pprof/symbol: addresses, in the query or the body */
	ROUTE_FLAME,	   /* /flame: a page that shows the graph and renews it */
	ROUTE_FLAME_GRAPH, /* /flame/graph */
	ROUTE_REDIRECT,	   /* to `location` */
	ROUTE_KINDS,
};

struct route {
	enum route_kind kind;
	char name[ROUTE_TYPE_BYTES]; /* profile type or asset */
	unsigned seconds;	     /* 0: not given */
	bool debug;		     /* as text */
	struct wait_args waits;	     /* its states: ?state= */
	struct target_args target;
	char pid[16]; /* of /proc/PID, "" where that is not how it was asked */
	char location[64];
};
#define ROUTE_INIT                          \
	{                                   \
		.target = TARGET_ARGS_INIT, \
	}

/* 0, or an HTTP status (400, 404, 405) with *error's text; `pprof` says whether net/http/pprof's
 * clients are told by X-Go-Pprof. The strings of the target are borrowed from u. */
int route_parse(struct route *r, const struct uri *u, const char *method, bool *ret_pprof,
	struct error *error);
void route_deinit(struct route *r);
/* Of one process, named by its number. */
static inline bool route_is_of_one(const struct route *r)
{
	const struct target_args *t = &r->target;

	return t->n_pids == 1 && !t->n_comms && !t->n_exes && !t->n_units && !t->n_cgroups;
}
/* It needs a profile. Addresses are of one process: of more, nothing is known. */
static inline bool route_collects(const struct route *r)
{
	return r->kind == ROUTE_PROFILE || r->kind == ROUTE_NAMED || r->kind == ROUTE_FLAME_GRAPH ||
	       (r->kind == ROUTE_SYMBOL && route_is_of_one(r));
}

#endif
