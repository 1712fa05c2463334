/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected, since when, and until when a request or the taking of an answer has to be over.
 * Safe to call from threads. A connection that is late is shut down, not closed: its descriptor is
 * its owner's.
 */
#ifndef PROFCTL_HTTP_CONNECTIONS_H
#define PROFCTL_HTTP_CONNECTIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "http/limits.h"

struct connection {
	int fd;		      /* borrowed; -1: free */
	bool stranger;	      /* of another user */
	bool working;	      /* has asked, is not answered yet */
	uint64_t deadline_ns; /* 0: none */
};

struct connections {
	pthread_mutex_t lock;
	struct connection all[HTTP_CONNECTIONS];
	unsigned n, strangers;
};

void connections_init(struct connections *c);
void connections_deinit(struct connections *c);
/* 0; -ENOSPC: no room, also for one stranger more. */
int connections_add(struct connections *c, int fd, bool stranger);
void connections_remove(struct connections *c, int fd);
/* Where the room is taken by requests that do not come, the oldest of them is ended. */
bool connections_full(struct connections *c);
bool connections_stranger(struct connections *c, int fd);
/* It has `seconds` from now; 0: as long as it takes. */
void connections_allow(struct connections *c, int fd, unsigned seconds);
void connections_end_late(struct connections *c, uint64_t now_ns);

#endif
