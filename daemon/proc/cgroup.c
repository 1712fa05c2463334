/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the knowledge where cgroup v2 is mounted (/sys/fs/cgroup, or /sys/fs/cgroup/unified beside
 * v1) and walks it. The tree is the kernel's, names in it belong to whoever was delegated a part;
 * the walk is bounded in depth and number.
 */
#include "proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/table.h"
#include "proc/mounts.h"

#define WALK_GROUPS 65536U

/* Found once: a helper is replaced sooner than a hierarchy is mounted elsewhere. */
static char mount_point[LIMIT_PATH];

static int find_mount(void)
{
	_cleanup_free_ char *text = NULL;
	struct mount_entry e;
	size_t n;
	int r;

	if (mount_point[0] != '\0')
		return 0;
	r = io_read_file(AT_FDCWD, "/proc/self/mountinfo", 4 * MIB, &text, &n);
	if (r < 0)
		return r;
	if (!mounts_find_type(text, n, "cgroup2", &e))
		return -EOPNOTSUPP;
	return mounts_point(&e, mount_point, sizeof(mount_point));
}

const char *cgroup_mount_point(void)
{
	return find_mount() < 0 ? NULL : mount_point;
}

static bool is_inside(const char *path)
{
	size_t n = strlen(path);

	return path[0] == '/' && !strstr(path, "/../") && !(n >= 3 && !strcmp(path + n - 3, "/.."));
}

int cgroup_id_of(const char *path, uint64_t *ret_id, uint32_t *ret_level)
{
	char full[2 * LIMIT_PATH];
	struct stat st;
	uint32_t level = 0;
	int r = find_mount();

	if (r < 0)
		return r;
	if (!is_inside(path))
		return -ENOENT;
	if ((size_t)snprintf(full, sizeof(full), "%s%s", mount_point, path) >= sizeof(full))
		return -ENAMETOOLONG;
	if (stat(full, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOENT;
	for (const char *p = path; *p; p++)
		if (*p == '/' && p[1] != '/' && p[1] != '\0')
			level++;
	/* On 64 bits the inode number of kernfs is the whole id. */
	*ret_id = st.st_ino;
	if (ret_level)
		*ret_level = level;
	return 0;
}

int cgroup_inner_path(const char *name, char *out, size_t n)
{
	int r = find_mount();
	size_t mount_n;

	if (r < 0)
		return r;
	mount_n = strlen(mount_point);
	if (!strncmp(name, mount_point, mount_n) && (name[mount_n] == '/' || name[mount_n] == '\0'))
		name += mount_n;
	r = snprintf(out, n, "%s%s", name[0] == '/' ? "" : "/", name);
	if ((size_t)r >= n)
		return -ENAMETOOLONG;
	for (r = (int)strlen(out); r > 1 && out[r - 1] == '/'; r--)
		out[r - 1] = '\0';
	return is_inside(out) ? 0 : -ENOENT;
}

static bool has_unit_suffix(const char *name)
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice", ".socket", ".mount",
		".swap" };
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t s = strlen(suffixes[i]);
		if (n > s && !strcmp(name + n - s, suffixes[i]))
			return true;
	}
	return false;
}

/* systemd puts '_' before names that could be taken for the kernel's own files. */
static bool is_unit(const char *directory, const char *unit)
{
	return !strcmp(directory, unit) || (directory[0] == '_' && !strcmp(directory + 1, unit));
}

/* Breadth first: `paths` holds the groups still to be read, in order. 1: found. */
static int walk_one(
	const char *parent, const char *unit, struct strings *paths, char *out, size_t n)
{
	char full[2 * LIMIT_PATH], child[LIMIT_PATH];
	struct dirent *e;
	uint32_t id;
	int r = 0;

	if ((size_t)snprintf(full, sizeof(full), "%s%s", mount_point, parent) >= sizeof(full))
		return 0;
	DIR *d = opendir(full);
	if (!d)
		return 0; /* gone meanwhile */
	while (r == 0 && (e = readdir(d))) {
		if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(child, sizeof(child), "%s/%s", parent, e->d_name) >=
			sizeof(child))
			continue;
		if (!is_unit(e->d_name, unit))
			r = strings_intern(paths, child, strlen(child), &id);
		else if ((size_t)snprintf(out, n, "%s", child) < n)
			r = 1;
		else
			r = -ENAMETOOLONG;
	}
	closedir(d);
	return r;
}

int cgroup_find_unit(const char *name, char *out, size_t n)
{
	struct strings paths;
	char unit[256];
	int r = find_mount();

	if (r < 0)
		return r;
	if (name[0] == '\0' || strchr(name, '/'))
		return -ENOENT;
	if ((size_t)snprintf(unit, sizeof(unit), "%s%s", name,
		    has_unit_suffix(name) ? "" : ".service") >= sizeof(unit))
		return -ENAMETOOLONG;
	r = strings_init(&paths, WALK_GROUPS, 64 * MIB);
	if (r < 0)
		return r;
	/* Id 0 is the empty string: the root. */
	for (uint32_t i = 0; r == 0 && i < paths.spans.n; i++) {
		/* The text may move while its children are added. */
		char parent[LIMIT_PATH];

		(void)snprintf(parent, sizeof(parent), "%s", strings_get(&paths, i, NULL));
		r = walk_one(parent, unit, &paths, out, n);
	}
	strings_deinit(&paths);
	return r == 1 ? 0 : r == 0 ? -ENOENT : r;
}
