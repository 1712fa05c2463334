/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a profile file of any writer; "-" is standard input. Errors name the file. */
#ifndef PROFD_CLIENT_LOAD_H
#define PROFD_CLIENT_LOAD_H

#include "base/error.h"
#include "profile/profile.h"

DEFINE_CLEANUP(struct profile *, profile_free)

int load_profile(const char *path, struct profile **ret, struct error *error);

#endif
