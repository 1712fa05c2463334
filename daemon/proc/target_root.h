/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process as the helper holds it while it works on one request, and the rules by which files are
 * opened through it. The descriptors pin the process, not its number: what is read through them
 * after its end fails, so nothing of a successor is ever taken for it. Helper side; may block.
 */
#ifndef PROFD_PROC_TARGET_ROOT_H
#define PROFD_PROC_TARGET_ROOT_H

#include "proc/mounts.h"
#include "proc/target.h"

struct target_root {
	uint32_t pid;	       /* 0: profd's own root and mounts */
	int pidfd, proc, root; /* owned: /proc/PID and its root, O_PATH */
	int leader;	       /* owned: -1, or /proc/PID where proc is that of a living thread */
	char *mounts;	       /* owned: its mountinfo, once needed */
	size_t mounts_n;
};

#define TARGET_ROOT_INIT                                          \
	{                                                         \
		.pidfd = -1, .proc = -1, .root = -1, .leader = -1 \
	}

/* pid 0: this process. 0, -ESRCH (also for a thread that leads no group) or -errno. */
int target_root_init(struct target_root *t, uint32_t pid);
void target_root_deinit(struct target_root *t);
/* 0, or -ESRCH where the process has ended since. */
int target_root_verify(const struct target_root *t);
/* Reads at most max bytes of a file below /proc/PID; more is cut off. NUL-terminated. */
int target_root_read(
	const struct target_root *t, const char *name, size_t max, char **ret, size_t *ret_n);
/* Reads a link below /proc/PID; at most n bytes with NUL. */
int target_root_link(const struct target_root *t, const char *name, char *out, size_t n);

/* Which file an O_PATH descriptor is, found without asking its file system. */
struct target_identity {
	uint64_t mount_id;
	uint32_t major, minor;	     /* as stat shows it */
	uint32_t sb_major, sb_minor; /* as maps and perf events show it, where the mount is known */
	uint64_t inode, sb_inode;
	uint64_t size, mtime_ns, ctime_ns;
	uint32_t mode, n_links, owner_uid;
	char type[32]; /* of the file system; "" unknown */
};
int target_root_identify(struct target_root *t, int fd, struct target_identity *ret);
/* Whether the file system of the device, or the one above the path, may be touched: 0 or
 * -EOPNOTSUPP with the mount. */
int target_root_allow_device(
	struct target_root *t, uint32_t major, uint32_t minor, struct mount_entry *ret);
int target_root_allow_path(struct target_root *t, const char *path, struct mount_entry *ret);
int target_root_allow_file(const struct target_identity *id, struct mount_entry *ret);
/* O_PATH of a path below the target's root, with further RESOLVE_ flags. fd or -errno. */
int target_root_locate(struct target_root *t, const char *path, uint64_t resolve);
/* From O_PATH to read-only: regular files only. fd or -errno. */
int target_root_reopen(int fd);
/* The file is on the root mount of profd or of PID 1, which nobody will want to unmount. */
bool target_root_is_host_root(const struct target_identity *id);

#endif
