/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C, SIGTERM and SIGHUP as something to poll, for the verbs that have work to finish. */
#ifndef PROFD_CLIENT_INTERRUPT_H
#define PROFD_CLIENT_INTERRUPT_H

#include <stdbool.h>

struct interrupt {
	int signal;	    /* the one that came last */
	bool from_terminal; /* the whole foreground process group got it */
};

/* Blocks the three signals (those that are ignored stay so) and makes the fd. Once a process; the
 * fd or -errno. Never closed: it lives as long as the program. */
int interrupt_open(void);
/* The fd, -1 while interrupt_open() was not called. Readable when a signal came. */
int interrupt_fd(void);
/* Takes one signal; false when there is none. */
bool interrupt_take(struct interrupt *ret);
/* Ignores SIGPIPE: a reader that left shows as EPIPE. */
void interrupt_ignore_pipe(void);
/* In a child before exec: the signals and SIGPIPE as they were. Async-signal-safe. */
void interrupt_restore(void);

#endif
