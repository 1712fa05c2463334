/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a profile as a stream: from a file or from memory, gzip (several members) or plain. What
 * comes out is bounded, whatever the input claims.
 */
#ifndef PROFD_PROFILE_SOURCE_H
#define PROFD_PROFILE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

struct source;

/* Reads fd (borrowed), or data with fd -1. Gives at most max_bytes after gunzip. 0, -ENOMEM or
 * -errno of the first read. */
int source_new(struct source **ret, int fd, const void *data, size_t n, uint64_t max_bytes,
	struct error *error);
struct source *source_free(struct source *s);

/* Bytes handed out so far. */
uint64_t source_offset(const struct source *s);
/* 1: there is another byte, 0: the end. Like all below: -EBADMSG (not gzip, truncated), -EFBIG
 * (more than max_bytes), -ENOMEM or what read() said, with *error set. */
int source_more(struct source *s, struct error *error);
/* A varint of at most 64 bits. */
int source_varint(struct source *s, uint64_t *ret, struct error *error);
/* The next n bytes, contiguous; borrowed until the next call. */
int source_bytes(struct source *s, size_t n, const uint8_t **ret, struct error *error);
int source_skip(struct source *s, uint64_t n, struct error *error);

#endif
