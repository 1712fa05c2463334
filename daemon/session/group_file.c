/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the parsing of group(5) and the memory of one lookup in it. The file is root's, but it is
 * read with bounds all the same: it is on the way of every connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "session/group_file.h"

/* The third field of "name:password:gid:members", where the first is `name`. */
static bool parse_line(const char *line, size_t n, const char *name, gid_t *ret)
{
	size_t name_n = strlen(name);
	uint64_t gid = 0;

	if (n <= name_n || memcmp(line, name, name_n) != 0 || line[name_n] != ':')
		return false;
	const char *end = line + n;
	const char *at = memchr(line + name_n + 1, ':', n - name_n - 1);
	if (!at || ++at == end || *at < '0' || *at > '9')
		return false;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		gid = gid * 10 + (uint64_t)(*at - '0');
		if (gid >= UINT32_MAX)
			return false;
	}
	if (at < end && *at != ':')
		return false;
	*ret = (gid_t)gid;
	return true;
}

int group_file_find(const char *text, size_t n, const char *name, gid_t *ret)
{
	while (n > 0) {
		const char *newline = memchr(text, '\n', n);
		size_t line = newline ? (size_t)(newline - text) : n;
		if (parse_line(text, line, name, ret))
			return 0;
		line += newline ? 1 : 0;
		text += line;
		n -= line;
	}
	return -ENOENT;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int group_lookup_gid(struct group_lookup *l, gid_t *ret)
{
	_cleanup_free_ char *text = NULL;
	struct stat now;
	size_t n;

	if (stat(l->path, &now) < 0) {
		l->known = false;
		return -errno;
	}
	if (!l->known || !same_file(&now, &l->seen)) {
		l->known = false;
		int r = io_read_file(AT_FDCWD, l->path, GROUP_FILE_BYTES, &text, &n);
		if (r < 0)
			return r;
		l->found = group_file_find(text, n, l->name, &l->gid) == 0;
		l->seen = now;
		l->known = true;
	}
	if (!l->found)
		return -ENOENT;
	*ret = l->gid;
	return 0;
}
