/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon of our own, for as long as `record` takes. */
#ifndef PROFD_CLIENT_PRIVATE_DAEMON_H
#define PROFD_CLIENT_PRIVATE_DAEMON_H

#include <sys/types.h>
#include "base/error.h"

struct private_daemon {
	pid_t pid;	  /* 0: none */
	int log;	  /* memfd of its standard error, owned */
	char socket[100]; /* "": none */
};
#define PRIVATE_DAEMON_INIT \
	{                   \
		.log = -1   \
	}

/* Starts `profd run --private --socket S` and waits until it serves S: it
 * writes to the descriptor that PROFD_READY_FD names. When it ends before that, *error is its last
 * line with its exit code. Interruptible (-ECANCELED). */
int private_daemon_start(struct private_daemon *d, struct error *error);
/* Removes the socket's name, once there is a connection: nothing stays behind when we are killed.
 */
void private_daemon_hide(struct private_daemon *d);
/* Ends it, hidden or not; harmless when none runs. */
void private_daemon_stop(struct private_daemon *d);
/* The daemon's binary: PROFD_DAEMON, next to this program, or "profd" for PATH. */
const char *private_daemon_path(char *buf, size_t n);

#endif
