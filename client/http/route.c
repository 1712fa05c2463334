/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the table of paths and how parameters are read. Trusts nothing of the request. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "http/route.h"

#define DEFAULT_SECONDS 30U

static const char pprof_prefix[] = "/debug/pprof";

void route_deinit(struct route *r)
{
	target_args_deinit(&r->target);
}

static int refuse(struct error *error, int status, const char *text)
{
	error_set(error, -EINVAL, EXIT_CODE_FAILED, "%s", text);
	return status;
}

/* As strconv.ParseInt(text, 10, 64), saturated; false: not a number. */
static bool parse_int(const char *text, long long *ret)
{
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	if (!isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return !*end && !errno;
}

static int add_target(struct route *r, const struct uri *u, struct error *error)
{
	static const struct {
		const char *name;
		int option;
	} selectors[] = {
		{ "pid", OPTION_PID },
		{ "comm", OPTION_COMM },
		{ "exe", OPTION_EXE },
		{ "unit", OPTION_UNIT },
		{ "cgroup", OPTION_CGROUP },
	};

	for (size_t i = 0; i < u->n; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(selectors); k++) {
			if (strcmp(u->parameters[i].name, selectors[k].name) != 0)
				continue;
			if (*r->pid)
				return refuse(error, 400,
					"the path names a process already; ask /debug/pprof/ with "
					"?pid=, ?comm= or ?unit= instead");
			if (target_args_option(&r->target, selectors[k].option,
				    u->parameters[i].value, error) < 0)
				return 400;
		}
	}
	return 0;
}

/* profile?seconds=: what is no positive number is 30, as in net/http/pprof. */
static int profile_seconds(struct route *r, const struct uri *u, struct error *error)
{
	const char *text = uri_parameter(u, "seconds");
	long long seconds;

	if (!text || !parse_int(text, &seconds) || seconds <= 0)
		seconds = DEFAULT_SECONDS;
	if (seconds > HTTP_MAX_SECONDS)
		return refuse(error, 400, "profile duration exceeds server's WriteTimeout");
	r->seconds = (unsigned)seconds;
	return 0;
}

static int named_parameters(struct route *r, const struct uri *u, struct error *error)
{
	const char *text = uri_parameter(u, "seconds"), *debug = uri_parameter(u, "debug");
	long long seconds, n;

	r->debug = debug && parse_int(debug, &n) && n != 0;
	if (!text || !*text)
		return 0;
	if (!parse_int(text, &seconds) || seconds <= 0)
		return refuse(
			error, 400, "invalid value for \"seconds\" - must be a positive integer");
	if (seconds > HTTP_MAX_SECONDS)
		return refuse(error, 400, "profile duration exceeds server's WriteTimeout");
	if (r->debug)
		return refuse(error, 400, "seconds and debug params are incompatible");
	r->seconds = (unsigned)seconds;
	return 0;
}

static int cmdline_of(const struct route *r, struct error *error)
{
	if (route_is_of_one(r))
		return 0;
	return refuse(error, 400,
		"cmdline is of one process: /proc/PID/debug/pprof/cmdline, or ?pid=PID");
}

/* ?state=, of what has states. */
static int add_states(struct route *r, const struct uri *u, struct error *error)
{
	const char *states = uri_parameter(u, "state");

	if (!states || !type_has_states(r->name))
		return 0;
	return wait_args_states(&r->waits, states, error) < 0 ? 400 : 0;
}

static bool is_word(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz");

	return n && n < ROUTE_TYPE_BYTES && !s[n];
}

static int pprof_route(struct route *r, const struct uri *u, const char *name, struct error *error)
{
	int status = add_target(r, u, error);

	if (status)
		return status;
	if (!*name) {
		r->kind = ROUTE_INDEX;
		return 0;
	}
	if (!strcmp(name, "trace"))
		return refuse(error, 404,
			"trace: an execution trace needs the program's own runtime; ask for "
			"profile instead");
	if (!strcmp(name, "symbol")) {
		r->kind = ROUTE_SYMBOL;
		strcpy(r->name, "cpu");
		r->target.no_children = true;
		return 0;
	}
	if (!strcmp(name, "cmdline")) {
		r->kind = ROUTE_CMDLINE;
		return cmdline_of(r, error);
	}
	if (!strcmp(name, "profile")) {
		r->kind = ROUTE_PROFILE;
		strcpy(r->name, "cpu");
		return profile_seconds(r, u, error);
	}
	/* The daemon has its own name for what Go calls a profile; `cpu` is not one of those. */
	if (!is_word(name) || !strcmp(name, "cpu"))
		return refuse(error, 404, "Unknown profile");
	r->kind = ROUTE_NAMED;
	strcpy(r->name, name);
	status = add_states(r, u, error);
	return status ? status : named_parameters(r, u, error);
}

static int flame_route(struct route *r, const struct uri *u, const char *rest, struct error *error)
{
	int status = add_target(r, u, error);
	const char *type = uri_parameter(u, "type");

	if (status)
		return status;
	if (*rest && strcmp(rest, "/graph") != 0)
		return refuse(error, 404, "404 page not found");
	r->kind = *rest ? ROUTE_FLAME_GRAPH : ROUTE_FLAME;
	if (!type)
		type = "cpu";
	if (!is_word(type))
		return refuse(error, 404, "Unknown profile");
	strcpy(r->name, type);
	status = add_states(r, u, error);
	return status ? status : named_parameters(r, u, error);
}

/* Behind /proc/PID; NULL where the path is another one. */
static const char *behind_process(struct route *r, const char *path, struct error *error)
{
	static const char prefix[] = "/proc/";
	const char *pid = path + sizeof(prefix) - 1;
	size_t n;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return path;
	n = strspn(pid, "0123456789");
	if (n == 0 || n >= sizeof(r->pid) || *pid == '0')
		return NULL;
	memcpy(r->pid, pid, n);
	r->pid[n] = '\0';
	return target_args_option(&r->target, OPTION_PID, r->pid, error) > 0 ? pid + n : NULL;
}

static int find(struct route *r, const struct uri *u, bool *ret_pprof, struct error *error)
{
	struct error ignored = ERROR_INIT;
	const char *path = behind_process(r, u->path, &ignored), *rest;

	if (path && !strncmp(path, pprof_prefix, sizeof(pprof_prefix) - 1)) {
		rest = path + sizeof(pprof_prefix) - 1;
		if (!*rest) {
			r->kind = ROUTE_REDIRECT;
			(void)snprintf(r->location, sizeof(r->location), "%s%s%s/",
				*r->pid ? "/proc/" : "", r->pid, pprof_prefix);
			return 0;
		}
		*ret_pprof = *rest == '/';
		if (*rest == '/')
			return pprof_route(r, u, rest + 1, error);
	}
	if (!*r->pid && !strncmp(u->path, "/flame", 6))
		return flame_route(r, u, u->path + 6, error);
	if (!strcmp(u->path, "/")) {
		r->kind = ROUTE_OVERVIEW;
		return 0;
	}
	if (!strncmp(u->path, "/assets/", 8) && strlen(u->path + 8) < sizeof(r->name)) {
		r->kind = ROUTE_ASSET;
		strcpy(r->name, u->path + 8);
		return 0;
	}
	return refuse(error, 404, "404 page not found");
}

int route_parse(struct route *r, const struct uri *u, const char *method, bool *ret_pprof,
	struct error *error)
{
	int status;

	*ret_pprof = false;
	status = find(r, u, ret_pprof, error);
	if (status)
		return status;
	if (!strcmp(method, "GET") || !strcmp(method, "HEAD") ||
		(!strcmp(method, "POST") && r->kind == ROUTE_SYMBOL))
		return 0;
	return refuse(error, 405, "Method Not Allowed");
}
