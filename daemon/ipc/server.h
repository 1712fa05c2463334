/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket: accepts connections, reads frames, decides nothing. Each connection has a peer
 * (session/authz.h), says hello first, may have a few requests open at once, and is dropped on
 * anything outside of the protocol. Caps and deadlines: base/limits.h. What a request means is the
 * handlers' business; they answer now or later with ipc_request_reply().
 */
#ifndef PROFD_IPC_SERVER_H
#define PROFD_IPC_SERVER_H

#include <systemd/sd-event.h>
#include "base/error.h"
#include "session/authz.h"
#include "wire/frame.h"

struct ipc_server;
struct ipc_request; /* owned by the server; alive until its final reply or on_gone */

struct ipc_handlers {
	/* One decoded request other than hello; body_case tells which. fds: those of its Target, in
	 * order; take one by setting it to -1. */
	void (*request)(void *userdata, struct ipc_request *r, const Profd__V1__Request *message,
		int *fds, size_t n_fds);
	/* The peer cancelled this request (finish: wants what there is) or is gone (then r dies on
	 * return). */
	void (*cancelled)(void *userdata, struct ipc_request *r, bool finish, bool gone);
	/* A connection has closed, after its requests were cancelled. */
	void (*closed)(void *userdata, uint64_t connection);
	void *userdata;
	const char *version;	  /* "profd 1.0.0" */
	const char *const *types; /* NULL-terminated profile types */
};

/* listen_fd: bound and listening, consumed. */
int ipc_server_new(struct ipc_server **ret, sd_event *event, int listen_fd,
	const struct ipc_handlers *handlers);
struct ipc_server *ipc_server_free(struct ipc_server *s);
unsigned ipc_server_n_connections(const struct ipc_server *s);

const struct peer *ipc_request_peer(const struct ipc_request *r);
uint64_t ipc_request_connection(const struct ipc_request *r);
void ipc_request_set_userdata(struct ipc_request *r, void *userdata);
void *ipc_request_userdata(const struct ipc_request *r);
/* Final reply (id is filled in); fd or -1 is consumed. r is dead afterwards. */
void ipc_request_reply(struct ipc_request *r, Profd__V1__Reply *reply, int fd);
void ipc_request_fail(struct ipc_request *r, const struct error *error);
/* Not final; dropped when the peer does not read. */
void ipc_request_progress(
	struct ipc_request *r, uint64_t done_ns, uint64_t total_ns, const char *text);

/* Makes and binds the socket at path (mode 0666, parent directory must exist or is made 0755); a
 * stale one is replaced; -EADDRINUSE with text when a daemon answers there. The listening fd or
 * -errno. */
int ipc_listen(const char *path, struct error *error);

#endif
