/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server.c, connection.c and request.c share. A connection belongs to its server's list;
 * nothing outside of the server frees one: others mark it dead, and it goes at the end of the turn.
 */
#ifndef PROFD_IPC_CONNECTION_H
#define PROFD_IPC_CONNECTION_H

#include "ipc/server.h"
#include "ipc/user.h"

#define IPC_IDLE_MS	   300000U /* without a request open */
#define IPC_FRAMES_A_TURN  16U	   /* of one connection */
#define IPC_ACCEPTS_A_TURN 32U
#define IPC_BYTES_PER_UID  (8 * MIB) /* buffered in both directions, all connections of a uid */
#define IPC_FDS_PER_UID	   256U	     /* received and not handed out */
#define IPC_HELLO_BYTES	   4096U     /* buffered at most before the hello */

struct connection {
	struct ipc_server *server; /* borrowed */
	struct connection *previous, *next;
	uint64_t id;
	int fd; /* owned */
	struct peer peer;
	struct user *user; /* a reference */
	sd_event_source *io;
	sd_event_source *more; /* NULL: no whole frame waits */
	struct frame_in in;
	struct frame_out *out;
	struct ipc_request *requests; /* owned */
	uint64_t since_ns, active_ns;
	uint64_t frame_since_ns;	   /* 0: no frame has begun */
	size_t charged_bytes, charged_fds; /* to the user */
	unsigned unread_fds; /* answers with a descriptor that the peer may not have read */
	bool hello, dead;
};

struct ipc_request {
	struct connection *connection; /* borrowed */
	struct ipc_request *next;
	uint32_t id;
	bool gone; /* the connection is: an answer goes nowhere */
	void *userdata;
};

struct ipc_server {
	sd_event *event; /* a reference */
	struct ipc_handlers handlers;
	int listen_fd, reserve_fd; /* owned */
	sd_event_source *accept, *sweep, *reap;
	struct connection *connections; /* owned */
	unsigned n_connections;
	struct user_table users;
	uint64_t last_connection;
};

/* server.c: closes what is marked dead, at the next turn. */
void ipc_server_reap_later(struct ipc_server *s);
/* server.c: closes what has passed a deadline; the server's timer does this every second. */
void ipc_server_sweep(struct ipc_server *s, uint64_t now_ns);

/* Starts serving fd (consumed in any case). */
int connection_new(struct connection **ret, struct ipc_server *s, int fd, const struct peer *peer,
	struct user *user);
/* Cancels its requests, tells the handlers, frees. */
void connection_close(struct connection *c);
bool connection_expired(const struct connection *c, uint64_t now_ns);
/* Best effort at a last ErrorReply, then dead. */
void connection_fail(struct connection *c, uint32_t id, enum exit_code code, const char *format,
	...) PRINTF(4, 5);
/* Writes what the socket takes, and watches for room for the rest. */
void connection_flush(struct connection *c);
void connection_kill(struct connection *c);
/* Brings the user's account up to date, and kills the connection where it is overdrawn. */
void connection_account(struct connection *c);
/* Forgets answers that the peer has read. */
void connection_settle_fds(struct connection *c);

/* request.c: one decoded request other than hello; fds borrowed, those taken become -1. */
void request_dispatch(
	struct connection *c, const Profd__V1__Request *message, int *fds, size_t n_fds);
/* Ends all of a connection that goes. */
void requests_cancel(struct connection *c);
/* An error that ends no connection. */
void request_refuse(struct connection *c, uint32_t id, enum exit_code code, const char *format, ...)
	PRINTF(4, 5);
int connection_push_error(struct connection *c, uint32_t id, const struct error *error);

#endif
