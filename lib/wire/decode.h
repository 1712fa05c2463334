/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames to messages with bounded memory: a small message that would unpack to something huge (a
 * million empty strings) is refused like a malformed one.
 */
#ifndef PROFD_WIRE_DECODE_H
#define PROFD_WIRE_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"
#include "wire/profd.pb-c.h"

#define DECODE_REQUEST_BYTES (8ULL * 1024 * 1024)
#define DECODE_REPLY_BYTES   (256ULL * 1024 * 1024)

/* NULL for what is malformed or too large; request_free() and reply_free() take NULL and return it.
 */
Profd__V1__Request *request_decode(const uint8_t *p, size_t n);
Profd__V1__Request *request_free(Profd__V1__Request *m);
Profd__V1__Reply *reply_decode(const uint8_t *p, size_t n);
Profd__V1__Reply *reply_free(Profd__V1__Reply *m);
DEFINE_CLEANUP(Profd__V1__Reply *, reply_free)

/* The Target that a request names, or NULL. */
const Profd__V1__Target *request_target(const Profd__V1__Request *m);
/* How many descriptors a frame announces. */
uint64_t request_n_fds(const Profd__V1__Request *m);

#endif
