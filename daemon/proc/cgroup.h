/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroup v2 tree as it is mounted here. Helper side, but for cgroup_mount_point(). */
#ifndef PROFD_PROC_CGROUP_H
#define PROFD_PROC_CGROUP_H

#include <stddef.h>
#include <stdint.h>

/* Id (as bpf_get_current_cgroup_id() has it) and level (0: the root) of a path as /proc/PID/cgroup
 * shows it; ret_level may be NULL. 0, -ENOENT, -EOPNOTSUPP (no cgroup v2 here). */
int cgroup_id_of(const char *path, uint64_t *ret_id, uint32_t *ret_level);
/* The path of a unit's cgroup, found by its name ("NAME" means "NAME.service"), the topmost first.
 * 0, -ENOENT, -EOPNOTSUPP, -ENAMETOOLONG, -E2BIG (too many groups to look through). */
int cgroup_find_unit(const char *name, char *out, size_t n);
/* Of an absolute path below the mount point, or of one relative to it: the path inside the tree. */
int cgroup_inner_path(const char *name, char *out, size_t n);

/* Where the tree is mounted: borrowed, or NULL where there is none. Reads our own mountinfo once.
 */
const char *cgroup_mount_point(void);

#endif
