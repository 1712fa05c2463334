/* SPDX-License-Identifier: Apache-2.0 */
/* Reads profile files of any writer; "-" is standard input. Errors name the file. */
#ifndef PROFD_CLIENT_LOAD_H
#define PROFD_CLIENT_LOAD_H

#include "base/error.h"
#include "profile/profile.h"

DEFINE_CLEANUP(struct profile *, profile_free)

int load_profile(const char *path, struct profile **ret, struct error *error);
/* The same; mappings of one file are one. */
int load_unified(const char *path, struct profile **ret, struct error *error);
/* The sum of n > 0 files, in the memory of the sum and the largest of them. Samples that are equal
 * are one, those of 0 are none. */
int load_merged(const char *const *paths, size_t n, struct profile **ret, struct error *error);

#endif
