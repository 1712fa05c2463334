/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target of an HTTP request (RFC 9112 3.2.1, RFC 3986), taken apart in place. Pure. Anything
 * that is not plainly an absolute path and a form-encoded query is refused instead of repaired.
 */
#ifndef PROFCTL_HTTP_URI_H
#define PROFCTL_HTTP_URI_H

#include <stddef.h>
#include "http/limits.h"

struct uri_parameter {
	const char *name, *value; /* of uri.text */
};

struct uri {
	char text[2 * HTTP_URI_BYTES]; /* path and parameters, decoded, each with a NUL */
	const char *path;
	const char *query; /* as it came, behind the '?'; borrowed from the input, "" for none */
	struct uri_parameter parameters[HTTP_PARAMETERS];
	size_t n;
};

/* 0, -E2BIG (too long, too many parameters), -EINVAL (not a path, a bad escape, a byte or an escape
 * of a control character). Must not be moved afterwards. */
int uri_parse(struct uri *u, const char *target);
/* The first parameter of that name, as net/http's FormValue(); NULL: there is none. */
const char *uri_parameter(const struct uri *u, const char *name);

#endif
