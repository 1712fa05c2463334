/* SPDX-License-Identifier: Apache-2.0 */
/* A command that is started stopped, before its first instruction, and let go when it is attached.
 */
#ifndef PROFD_CLIENT_COMMAND_H
#define PROFD_CLIENT_COMMAND_H

#include <sys/types.h>
#include "base/error.h"

struct command {
	pid_t pid;  /* 0: none */
	int pidfd;  /* owned */
	int go;	    /* pipe: a byte lets it run, the end makes it give up; owned */
	int failed; /* pipe: errno of exec, or the end when that worked; owned */
};
#define COMMAND_INIT                                \
	{                                           \
		.pidfd = -1, .go = -1, .failed = -1 \
	}

/* Forks; the child waits. argv is NULL-terminated. */
int command_start(struct command *c, char **argv, struct error *error);
/* Lets it run. EXIT_CODE_NOT_FOUND or EXIT_CODE_CANNOT_EXECUTE where exec failed. */
int command_release(struct command *c, const char *name, struct error *error);
/* The exit status it has: its own, or 128+N. It stays a zombie, so that its pid stays its own,
 * until command_deinit(). Call it when the pidfd is readable. */
int command_status(struct command *c);
/* Ends one that was never released, reaps one that ended. */
void command_deinit(struct command *c);

#endif
