/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the parser of mountinfo and the list of file systems that are not touched. The fields are
 * the kernel's, with blanks in names escaped; the names are whoever mounted it.
 */
#include "proc/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"

struct field {
	const char *at;
	size_t n;
};

/* Splits at single blanks, as show_mountinfo() writes them. False at the end of the line. */
static bool next_field(const char **at, const char *end, struct field *ret)
{
	const char *blank;

	if (*at >= end)
		return false;
	blank = memchr(*at, ' ', (size_t)(end - *at));
	*ret = (struct field){ *at, (size_t)((blank ? blank : end) - *at) };
	*at = blank ? blank + 1 : end;
	return true;
}

static bool decimal(const char **at, const char *end, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = *at;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		if (v > UINT32_MAX)
			return false;
		v = v * 10 + (uint64_t)(**at - '0');
	}
	*ret = v;
	return *at > start;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" */
static bool parse_line(const char *at, const char *end, struct mount_entry *e)
{
	struct field f[5], f_type;
	uint64_t major, minor;
	const char *p;

	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		if (!next_field(&at, end, &f[i]))
			return false;
	do {
		if (!next_field(&at, end, &f_type))
			return false;
	} while (f_type.n != 1 || f_type.at[0] != '-');
	if (!next_field(&at, end, &f_type) || f_type.n == 0 || f_type.n >= sizeof(e->type))
		return false;
	p = f[0].at;
	if (!decimal(&p, f[0].at + f[0].n, &e->id))
		return false;
	p = f[2].at;
	if (!decimal(&p, f[2].at + f[2].n, &major) || p == f[2].at + f[2].n || *p++ != ':' ||
		!decimal(&p, f[2].at + f[2].n, &minor) || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	e->major = (uint32_t)major;
	e->minor = (uint32_t)minor;
	e->point = f[4].at;
	e->point_n = f[4].n;
	memcpy(e->type, f_type.at, f_type.n);
	e->type[f_type.n] = '\0';
	return true;
}

int mounts_parse(const char *text, size_t n,
	int (*each)(void *userdata, const struct mount_entry *entry), void *userdata)
{
	const char *at = text, *end = text + n;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		struct mount_entry e;
		int r;

		if (parse_line(at, newline ? newline : end, &e)) {
			r = each(userdata, &e);
			if (r != 0)
				return r;
		}
		at = newline ? newline + 1 : end;
	}
	return 0;
}

struct wanted {
	uint32_t major, minor;
	uint64_t id;
	const char *type, *path;
	struct mount_entry *found;
};

static int match_device(void *userdata, const struct mount_entry *e)
{
	struct wanted *w = userdata;

	if (e->major != w->major || e->minor != w->minor)
		return 0;
	*w->found = *e;
	return 1;
}

static int match_id(void *userdata, const struct mount_entry *e)
{
	struct wanted *w = userdata;

	if (e->id != w->id)
		return 0;
	*w->found = *e;
	return 1;
}

static int match_type(void *userdata, const struct mount_entry *e)
{
	struct wanted *w = userdata;

	if (strcmp(e->type, w->type) != 0)
		return 0;
	*w->found = *e;
	return 1;
}

static int match_refused_above(void *userdata, const struct mount_entry *e)
{
	struct wanted *w = userdata;
	char point[4096];
	size_t n;

	if (!mount_type_refused(e->type) || mounts_point(e, point, sizeof(point)) < 0)
		return 0;
	n = strlen(point);
	/* "/" is above all; "/a" is above "/a" and "/a/b", not "/ab" */
	if (strncmp(w->path, point, n) != 0 || (n > 1 && w->path[n] != '\0' && w->path[n] != '/'))
		return 0;
	*w->found = *e;
	return 1;
}

bool mounts_find_device(
	const char *text, size_t n, uint32_t major, uint32_t minor, struct mount_entry *ret)
{
	struct wanted w = { .major = major, .minor = minor, .found = ret };

	return mounts_parse(text, n, match_device, &w) == 1;
}

bool mounts_find_id(const char *text, size_t n, uint64_t id, struct mount_entry *ret)
{
	struct wanted w = { .id = id, .found = ret };

	return mounts_parse(text, n, match_id, &w) == 1;
}

bool mounts_find_type(const char *text, size_t n, const char *type, struct mount_entry *ret)
{
	struct wanted w = { .type = type, .found = ret };

	return mounts_parse(text, n, match_type, &w) == 1;
}

bool mounts_refused_above(const char *text, size_t n, const char *path, struct mount_entry *ret)
{
	struct wanted w = { .path = path, .found = ret };

	return mounts_parse(text, n, match_refused_above, &w) == 1;
}

static bool is_octal(const char *p, size_t left)
{
	return left >= 4 && p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
	       p[2] <= '7' && p[3] >= '0' && p[3] <= '7';
}

int mounts_point(const struct mount_entry *entry, char *out, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < entry->point_n; used++) {
		const char *p = entry->point + i;

		if (used + 1 >= n)
			return -ENAMETOOLONG;
		if (is_octal(p, entry->point_n - i)) {
			out[used] = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
			i += 4;
		} else {
			out[used] = *p;
			i++;
		}
	}
	if (used >= n)
		return -ENAMETOOLONG;
	out[used] = '\0';
	return 0;
}

bool mount_type_refused(const char *type)
{
	static const char *const families[] = { "fuse", "nfs", "smb", "cifs", "ceph", "9p", "afs",
		"virtiofs", "glusterfs", "lustre", "beegfs", "orangefs", "pvfs2", "coda", "autofs",
		"ocfs2", "gfs2" };

	/* The controls of FUSE are the kernel's own files. */
	if (!strcmp(type, "fusectl"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (!strncmp(type, families[i], strlen(families[i])))
			return true;
	return false;
}

bool mount_type_translates_device(const char *type)
{
	return !strcmp(type, "overlay") || !strcmp(type, "btrfs") || !strcmp(type, "bcachefs");
}
