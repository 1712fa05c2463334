/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of a request: asked of the daemon, or the empty one where there is nothing. */
#ifndef PROFCTL_HTTP_COLLECT_H
#define PROFCTL_HTTP_COLLECT_H

#include "http/answer.h"
#include "profile/profile.h"

/* Who asks: one connection to the daemon, which is closed when the client does not wait any more.
 */
struct caller {
	const struct http_answer_from *from;
	struct remote *remote;
};

/* The daemon has that type. */
bool collect_has(struct remote *r, const char *type);
/* Of threads that live, and not of a span. */
bool collect_is_of_now(const struct route *r);
/* Of the next `seconds`; or (0) of the last recent_ns (0 as well: of all that is held). */
int collect(struct caller *c, const struct route *r, uint64_t seconds, uint64_t recent_ns,
	struct fetched *ret, struct error *error);
/* What is held of the last recent_ns (0: all), or where that is nothing, of a few seconds from now
 * (of threads: of now): not everybody attaches first. */
int collect_held(struct caller *c, const struct route *r, uint64_t recent_ns, struct fetched *ret,
	struct error *error);
/* Of threads: those that were started in the next r->seconds and live, less those that have ended,
 * as net/http/pprof's difference of two profiles. */
int collect_started(
	struct caller *c, const struct route *r, struct profile **ret, struct error *error);
/* What slept all the time has a profile as well: one without samples, which says why. */
int collect_nothing(const struct route *r, uint64_t from_ns, const char *why, struct profile **ret);

#endif
