/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that produces windows of bytes ahead of who takes them, so that inflating and decoding
 * overlap. At most AHEAD_WINDOWS wait.
 */
#ifndef PROFD_PROFILE_AHEAD_H
#define PROFD_PROFILE_AHEAD_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define AHEAD_WINDOWS 8U
#define AHEAD_BYTES   262144U

struct ahead;

/* Fills AHEAD_BYTES at `to`; *ret_n 0: the end. 0 or an error, which are the last call. */
typedef int (*ahead_fill)(void *ctx, uint8_t *to, size_t *ret_n, struct error *error);

/* ctx is the thread's until ahead_free(). 0, -ENOMEM, -EAGAIN. */
int ahead_new(struct ahead **ret, ahead_fill fill, void *ctx);
/* Waits for the fill() that runs. */
struct ahead *ahead_free(struct ahead *a);
/* The next window, borrowed until the next call; what fill() returned. */
int ahead_next(struct ahead *a, const uint8_t **ret, size_t *ret_n, struct error *error);

#endif
