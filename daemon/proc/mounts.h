/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/mountinfo (proc(5)): text in, answers out; no I/O. Tells which file system a device or
 * a mount is of, before anything on it is touched.
 */
#ifndef PROFD_PROC_MOUNTS_H
#define PROFD_PROC_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount_entry {
	uint64_t id;
	uint32_t major, minor; /* of the superblock: what maps and perf events show */
	const char *point;     /* borrowed, octal escapes in place; see mounts_point() */
	size_t point_n;
	char type[32];
};

/* Calls each() for every mount until it returns non-zero; returns that, or 0. Lines that cannot be
 * read are skipped. */
int mounts_parse(const char *text, size_t n,
	int (*each)(void *userdata, const struct mount_entry *entry), void *userdata);
/* The first mount of the device, or the mount with this id. False: none. */
bool mounts_find_device(
	const char *text, size_t n, uint32_t major, uint32_t minor, struct mount_entry *ret);
bool mounts_find_id(const char *text, size_t n, uint64_t id, struct mount_entry *ret);
bool mounts_find_type(const char *text, size_t n, const char *type, struct mount_entry *ret);
/* The mount point with its escapes undone, at most n bytes with NUL. 0 or -ENAMETOOLONG. */
int mounts_point(const struct mount_entry *entry, char *out, size_t n);
/* True with the entry, if a refused file system is mounted on the path or on a directory above it.
 */
bool mounts_refused_above(const char *text, size_t n, const char *path, struct mount_entry *ret);

/* Somebody else answers for these, perhaps never: FUSE, network, automounter. */
bool mount_type_refused(const char *type);
/* stat() of files there shows another device than maps and perf events do. */
bool mount_type_translates_device(const char *type);

#endif
