/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the daemon: one request at a time, blocking. What comes back is checked for its
 * form only; texts are made safe to show by error_set() and io_printable().
 */
#ifndef PROFD_CLIENT_REMOTE_H
#define PROFD_CLIENT_REMOTE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "client/target_args.h"
#include "wire/decode.h"
#include "wire/frame.h"

#define REMOTE_DEFAULT_SOCKET "/run/profd/profd.sock"
#define REMOTE_ANSWER_MS      30000

struct remote;

/* --socket, or PROFD_SOCKET, or the default. */
const char *remote_socket(const char *option);
/* Connects and says hello. No daemon there: -ECONNREFUSED with EXIT_CODE_NO_DAEMON and how to start
 * one. */
int remote_connect(const char *socket_option, struct remote **ret, struct error *error);
struct remote *remote_free(struct remote *r);
DEFINE_CLEANUP(struct remote *, remote_free)
/* To poll for the daemon going away; borrowed. */
int remote_fd(const struct remote *r);
/* What the daemon said of itself; borrowed. */
const Profd__V1__HelloReply *remote_hello(const struct remote *r);

struct remote_wait {
	int silence_ms;	 /* give up after so long without a word */
	bool interrupts; /* first signal: ask for what there is; second: give up (-ECANCELED) */
	void (*progress)(void *userdata, const Profd__V1__Progress *p);
	void *userdata;
};

/* Sends the request (its id is filled in) and waits for the reply `expected` (a
 * PROFD__V1__REPLY__BODY_ value). The daemon's own error becomes *error with its code and
 * -EREMOTEIO. A descriptor that came is given in *ret_fd, else -1. The reply is freed with
 * reply_free(). */
int remote_call(struct remote *r, Profd__V1__Request *request, const struct target_message *target,
	int expected, const struct remote_wait *wait, Profd__V1__Reply **ret, int *ret_fd,
	struct error *error);

#endif
