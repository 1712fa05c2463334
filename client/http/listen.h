/* SPDX-License-Identifier: Apache-2.0 */
/* Where `serve` listens: HOST:PORT, [V6]:PORT, :PORT or PORT (loopback), unix:PATH. */
#ifndef PROFCTL_HTTP_LISTEN_H
#define PROFCTL_HTTP_LISTEN_H

#include <stdbool.h>
#include "base/error.h"

#define LISTEN_DEFAULT "localhost:6060"
#define LISTEN_SOCKETS 4

struct listener {
	int fds[LISTEN_SOCKETS]; /* owned, non-blocking */
	unsigned n;
	char host[256]; /* as a Host header has it; "" for a Unix socket */
	char path[108]; /* of a Unix socket, removed at the end; "" */
	char url[320];	/* to show */
	bool loopback;	/* or a Unix socket */
};

/* 0; -EINVAL for what is no address; -EADDRINUSE, -EACCES..., each with a line that says what to
 * do. */
int listener_open(struct listener *l, const char *address, struct error *error);
void listener_deinit(struct listener *l);

#endif
