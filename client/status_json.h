/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's status as JSON: the names are those of proto/profd.proto, times are RFC 3339. */
#ifndef PROFD_CLIENT_STATUS_JSON_H
#define PROFD_CLIENT_STATUS_JSON_H

#include "client/show.h"

/* The caller's; NULL: out of memory. */
json_t *status_json(const Profd__V1__StatusReply *s);

#endif
