/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that touches a target (its /proc files, its binaries, its memory) goes through the
 * target helper, because each of it can hang for ever. This is both sides: requests as asynchronous
 * calls in the daemon, target_serve() in the helper (role HELPER_TARGET).
 *
 * Files are opened by rule: the file system's type is looked up in the target's mountinfo by device
 * number first (fuse, nfs and their like are refused and reported as quarantine); through map_files
 * where the mapping still exists, else by path below /proc/PID/root with openat2(RESOLVE_IN_ROOT |
 * RESOLVE_NO_MAGICLINKS), else below profd's own root; O_PATH and fstat before O_RDONLY|O_NONBLOCK;
 * regular files only; device and inode must be those of the mapping.
 */
#ifndef PROFD_PROC_TARGET_H
#define PROFD_PROC_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include "isolate/helper.h"
#include "proc/maps.h"

struct target_io; /* owns the pool of target helpers */

int target_io_new(struct target_io **ret, sd_event *event);
struct target_io *target_io_free(struct target_io *t);
void target_io_get_stats(struct target_io *t, struct helper_stats *ret);
/* Called when a device is refused or timed out: "fuse at 0:47", for status. */
typedef void (*target_quarantine_fn)(void *userdata, const char *what, const char *why);
void target_io_on_quarantine(struct target_io *t, target_quarantine_fn fn, void *userdata);

/* What /proc says of one process, read between before_ns and after_ns (CLOCK_MONOTONIC). Pointers
 * are borrowed during the callback. */
struct target_process_info {
	uint32_t pid;
	uint64_t before_ns, after_ns;
	struct stat_fields stat;
	struct status_fields status;
	uint32_t owner_uid; /* of the one whose process it is in every respect, else OWNER_NOBODY
			       (bpf/abi.h) */
	uint64_t cgroup_id; /* 0: unknown */
	bool other_root;    /* root or mount namespace is not profd's */
	const char *comm;   /* of the group leader */
	const char *exe;    /* readlink; "" where there is none (kernel thread) */
	bool exe_deleted;
	uint32_t exe_major, exe_minor;
	uint64_t exe_inode;
	const char *cmdline; /* NUL-separated, cmdline_n bytes, at most 4 KiB */
	size_t cmdline_n;
	const char *cgroup; /* v2 path */
	const char *maps;   /* text, for maps_parse(); NULL when not asked for */
	size_t maps_n;
};
/* error: 0, -ESRCH, -ETIMEDOUT, -EACCES ... ; info is NULL on error. */
typedef void (*target_info_fn)(void *userdata, int error, const struct target_process_info *info);
int target_read(
	struct target_io *t, uint32_t pid, bool with_maps, target_info_fn done, void *userdata);

/* All processes (thread group leaders): calls each() once a process (without maps), then done().
 * Kernel threads are left out. */
int target_scan(struct target_io *t, target_info_fn each, void (*done)(void *userdata, int error),
	void *userdata);

struct target_open_request {
	uint32_t pid;	       /* 0: process is gone, only the path is tried */
	uint64_t start, end;   /* of the mapping, for map_files; 0: none */
	uint32_t major, minor; /* expected identity; inode 0: not checked */
	uint64_t inode;
	const char *path; /* as the kernel told it, without " (deleted)" */
};
struct target_file {
	int fd; /* read-only, regular; the callee's when it sets it to -1 */
	uint64_t size, mtime_ns, ctime_ns;
	uint32_t major, minor;
	uint64_t inode;
	uint32_t owner_uid;
	bool same_mount_as_root; /* of profd's own root mount: may be held open for long */
};
/* error: 0, -ESRCH/-ENOENT (gone), -ESTALE (another file is there now), -EOPNOTSUPP (file system
 * refused), -EFBIG, -EINVAL (not a regular file), -ETIMEDOUT. */
typedef void (*target_open_fn)(void *userdata, int error, struct target_file *file);
int target_open(struct target_io *t, const struct target_open_request *req, target_open_fn done,
	void *userdata);

/* A separate debug file of profd's own root: by build-id below /usr/lib/debug/.build-id, or by
 * debuglink name beside `binary_path` (./, ./.debug/, /usr/lib/debug/DIR/); root-owned regular
 * files only. Every candidate is returned in order: the worker checks build-id or CRC. At most 4.
 */
typedef void (*target_debug_fn)(void *userdata, int error, int *fds, size_t n_fds);
int target_open_debug(struct target_io *t, const char *build_id_hex, const char *debuglink,
	const char *binary_path, uint32_t pid, target_debug_fn done, void *userdata);

/* /tmp/perf-NSPID.map below the target's root, of the target's uid or root, no symlinks, <= 64 MiB.
 */
int target_open_perf_map(struct target_io *t, uint32_t pid, target_open_fn done, void *userdata);

/* Resolves what attach rules need, in profd's own root: device and inode of an executable path; id
 * and level of a cgroup v2 path; path of a unit's cgroup. */
struct target_resolved {
	uint32_t major, minor;
	uint64_t inode;
	uint64_t cgroup_id;
	uint32_t cgroup_level;
	const char *path;
};
enum target_resolve_kind { TARGET_RESOLVE_EXE, TARGET_RESOLVE_CGROUP, TARGET_RESOLVE_UNIT };
typedef void (*target_resolve_fn)(void *userdata, int error, const struct target_resolved *r);
int target_resolve(struct target_io *t, enum target_resolve_kind kind, const char *name,
	target_resolve_fn done, void *userdata);

/* The helper's side; see helper_serve_fn. */
int target_serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds);

#endif
