/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id of a group out of group(5)'s file, read here because getgrnam(3) may ask a name service
 * over the network and block. Groups that only a name service knows are not found.
 */
#ifndef PROFD_SESSION_GROUP_FILE_H
#define PROFD_SESSION_GROUP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define GROUP_FILE_BYTES (1024U * 1024U)

/* Finds `name` in the text of a group file. 0, -ENOENT. Pure. */
int group_file_find(const char *text, size_t n, const char *name, gid_t *ret);

/* One name, looked up again when the file's identity, size or times change. */
struct group_lookup {
	const char *path, *name; /* borrowed */
	struct stat seen;
	bool known, found;
	gid_t gid;
};
#define GROUP_LOOKUP_INIT(path_, name_)          \
	{                                        \
		.path = (path_), .name = (name_) \
	}

/* 0, -ENOENT (no such group, or no file), other -errno (unreadable, beyond GROUP_FILE_BYTES). */
int group_lookup_gid(struct group_lookup *l, gid_t *ret);

#endif
