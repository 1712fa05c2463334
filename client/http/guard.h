/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests a browser may have been talked into by somebody else's page: by the name it thinks
 * it talks to (DNS rebinding) and by what it says of who asks (Fetch Metadata,
 * https://www.w3.org/TR/fetch-metadata/). Pure.
 */
#ifndef PROFCTL_HTTP_GUARD_H
#define PROFCTL_HTTP_GUARD_H

#include <stdbool.h>

/* The Host header names this machine's loopback or `listen`, the host that was listened to by name
 * or address (NULL: none). A port is not looked at: it may be forwarded. */
bool guard_host(const char *host, const char *listen);
/* No other site has a part in it. Any of the headers may be NULL. */
bool guard_site(const char *host, const char *origin, const char *fetch_site);

#endif
