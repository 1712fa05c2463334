/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sampled since the last time, from the daemon, every interval, by a thread of its own:
 * the screen answers keys meanwhile. One dump an interval, and a look at whether what covers the
 * target is still attached; nothing at all while it is paused.
 */
#ifndef PROFCTL_LIVE_FEED_H
#define PROFCTL_LIVE_FEED_H

#include "client/attach.h"

struct feed;

struct portion {
	struct profile *profile; /* owned by whoever takes it; NULL: nothing was sampled */
	uint64_t span_ns;
	struct error error; /* set: there will be nothing more */
};

/* Connects, and attaches for as long as it is connected where nothing covers the target. The
 * options are borrowed. */
int feed_new(struct feed **ret, const struct attach_options *o, uint64_t interval_ns,
	struct error *error);
struct feed *feed_free(struct feed *f);
DEFINE_CLEANUP(struct feed *, feed_free)
/* Readable when there is a portion; borrowed. */
int feed_fd(const struct feed *f);
/* False: there is none. */
bool feed_take(struct feed *f, struct portion *ret);
/* There is no portion from a pause's beginning to its end, but for one that says an error. */
void feed_pause(struct feed *f, bool paused);

#endif
