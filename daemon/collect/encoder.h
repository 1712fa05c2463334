/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder process's work: a snapshot (collect/snapshot.h) becomes profile.proto. */
#ifndef PROFD_COLLECT_ENCODER_H
#define PROFD_COLLECT_ENCODER_H

#include <stddef.h>
#include "profile/profile.h"

/* A helper_serve_fn (isolate/helper.h). req: one byte, the gzip level (0: plain). fds[0]: the
 * sealed snapshot, fds[1]: where the profile is written. Reply: bytes written and samples, both
 * u64. -EINVAL for a request that is none, -EBADMSG for a snapshot that is none, or what writing
 * said. */
int encoder_serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds);

/* The profile of a snapshot in memory, 8-byte aligned. Equal stacks with equal labels are one
 * sample. 0, -EBADMSG, -ENOMEM, -E2BIG. */
int encoder_build(const void *snapshot, size_t n, struct profile **ret);

#endif
