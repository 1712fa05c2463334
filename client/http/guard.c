/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the decision; headers are whatever a peer wrote. */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "base/cleanup.h"
#include "http/guard.h"

/* The length of the name or address in front of :PORT; 0 where it is neither. */
static size_t name_length(const char *host)
{
	size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	const char *port = host + n;

	if (host[0] == '[' && host[n - 1] != ']')
		return 0;
	if (*port == ':')
		for (port++; isdigit((unsigned char)*port); port++)
			;
	return *port ? 0 : n;
}

static bool is_name(const char *host, size_t n, const char *name)
{
	return name && strlen(name) == n && !strncasecmp(host, name, n);
}

bool guard_host(const char *host, const char *listen)
{
	static const char *const own[] = { "localhost", "127.0.0.1", "[::1]" };
	size_t n = host && *host ? name_length(host) : 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (is_name(host, n, own[i]))
			return true;
	return is_name(host, n, listen);
}

bool guard_site(const char *host, const char *origin, const char *fetch_site)
{
	static const char scheme[] = "http://";

	if (fetch_site && strcmp(fetch_site, "same-origin") != 0 && strcmp(fetch_site, "none") != 0)
		return false;
	if (!origin)
		return true;
	return host && !strncmp(origin, scheme, sizeof(scheme) - 1) &&
	       !strcasecmp(origin + sizeof(scheme) - 1, host);
}
