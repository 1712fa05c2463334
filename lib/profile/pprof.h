/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.proto on the wire, gzipped or not: a bounded streaming codec. The decoder takes any
 * input: what is not a profile is -EBADMSG with a line that says where and why; memory is bounded
 * by LIMIT_PROFILE_BYTES after gunzip and by what the profile really holds.
 */
#ifndef PROFD_PROFILE_PPROF_H
#define PROFD_PROFILE_PPROF_H

#include "base/error.h"
#include "profile/profile.h"

/* Writes the profile to fd as profile.proto; gzip_level 0: plain, 1..9. String table order: as
 * interned. 0 or -errno. */
int pprof_write(const struct profile *p, int fd, int gzip_level);
/* Reads a whole profile. Accepts gzip (several members too) and plain. */
int pprof_read(int fd, struct profile **ret, struct error *error);
int pprof_decode(const void *data, size_t n, struct profile **ret, struct error *error);

#endif
