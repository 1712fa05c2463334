/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP, by libmicrohttpd: one thread moves bytes, one more for each request that waits for the
 * daemon, at most HTTP_COLLECTING + HTTP_ASKING of them.
 */
#ifndef PROFCTL_HTTP_SERVER_H
#define PROFCTL_HTTP_SERVER_H

#include "base/error.h"
#include "http/listen.h"

struct server;

/* The listener and the socket's path are borrowed. 0 or -errno. */
int server_new(struct server **ret, const struct listener *listener, const char *socket,
	struct error *error);
/* Ends what is under way first; at most as long as the daemon takes to answer. */
struct server *server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)
/* Takes the connections that wait on a listening socket. */
void server_accept(struct server *s, int listening);
/* To be called several times a second: ends who is late. False: there is no room for another
 * connection now. */
bool server_tick(struct server *s);

#endif
