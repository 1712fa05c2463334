/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock without a rule: every right that this kernel knows is taken away. */
#ifndef PROFD_ISOLATE_LANDLOCK_H
#define PROFD_ISOLATE_LANDLOCK_H

/* Needs no_new_privs. 0, -EOPNOTSUPP (no Landlock, or switched off), or -errno. */
int landlock_deny_all(void);

#endif
