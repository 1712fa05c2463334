/* SPDX-License-Identifier: Apache-2.0 */
/* A profile from the daemon: the request, the wait with its progress bar, the sealed memfd. */
#ifndef PROFD_CLIENT_FETCH_H
#define PROFD_CLIENT_FETCH_H

#include "client/remote.h"

struct fetched {
	Profd__V1__Reply *reply; /* owned; reply->dump */
	void *data;		 /* mapped: gzipped profile.proto */
	size_t n;
};
#define FETCHED_INIT   \
	{              \
		.n = 0 \
	}

void fetched_deinit(struct fetched *f);
/* Interrupts ask for what there is. Errors as remote_call(). */
int fetch_profile(struct remote *r, Profd__V1__DumpRequest *dump,
	const struct target_message *target, struct fetched *ret, struct error *error);
/* The same with the caller's own progress and interrupts; how long to be patient is set here. Draws
 * nothing, so that threads can use it, each with a connection of its own. */
int fetch_profile_waiting(struct remote *r, Profd__V1__DumpRequest *dump,
	const struct target_message *target, struct remote_wait wait, struct fetched *ret,
	struct error *error);
/* On standard error: what was written, from when to when, and the daemon's notes. path NULL:
 * standard output. */
void fetched_describe(const struct fetched *f, const char *path);

#endif
