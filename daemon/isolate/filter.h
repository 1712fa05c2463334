/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp filter of a role. */
#ifndef PROFD_ISOLATE_FILTER_H
#define PROFD_ISOLATE_FILTER_H

#include "isolate/helper.h"

/* Loads the role's filter for good; needs no_new_privs. 0 or -errno. */
int filter_load(enum helper_role role);

#endif
