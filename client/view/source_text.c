/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns finding and reading source. Paths are the profile's and thus anybody's: only regular files
 * of a bounded size are read, and nothing waits.
 */
#include "view/source_text.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"

#define MAX_SOURCE_BYTES (64 * MIB)

static int open_source(const char *path)
{
	char full[PATH_MAX], folder[PATH_MAX], want[PATH_MAX];
	const char *base, *found;

	if (!getcwd(folder, sizeof(folder)))
		return -errno;
	base = strrchr(folder, '/') + 1;
	int n = snprintf(want, sizeof(want), "/%s/", base);
	if (*base && n < (int)sizeof(want)) {
		found = strstr(path, want);
		if (found)
			path = found + n;
	}
	if (*path == '/') {
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		return fd < 0 ? -errno : fd;
	}
	for (;;) {
		char *slash = strrchr(folder, '/');
		n = snprintf(full, sizeof(full), "%s/%s", folder, path);
		if (n >= (int)sizeof(full))
			return -ENAMETOOLONG;
		int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd >= 0)
			return fd;
		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
}

static int note_line(struct source_text *s, size_t at)
{
	size_t *line = array_push(&s->lines);

	if (!line)
		return -ENOMEM;
	*line = at;
	return 0;
}

int source_text_read(struct source_text *s, const char *path)
{
	*s = (struct source_text){ .lines = ARRAY_INIT(size_t, MAX_SOURCE_BYTES + 2) };
	_cleanup_close_ int fd = open_source(path);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	r = io_read_fd(fd, MAX_SOURCE_BYTES, &s->text, &s->n);
	for (size_t at = 0; r >= 0 && at < s->n;) {
		const char *end = memchr(s->text + at, '\n', s->n - at);
		r = note_line(s, at);
		at = end ? (size_t)(end - s->text) + 1 : s->n;
	}
	if (r >= 0)
		r = note_line(s, s->n);
	if (r < 0)
		source_text_deinit(s);
	return r;
}

void source_text_deinit(struct source_text *s)
{
	array_deinit(&s->lines);
	free(s->text);
	s->text = NULL;
	s->n = 0;
}

const char *source_text_line(const struct source_text *s, int64_t number, size_t *ret_n)
{
	if (number < 1 || (uint64_t)number >= s->lines.n)
		return NULL;
	const size_t *at = ARRAY_AT(&s->lines, size_t, number - 1);
	size_t n = at[1] - at[0];
	const char *line = s->text + at[0];

	n -= n && line[n - 1] == '\n';
	n -= n && line[n - 1] == '\r';
	*ret_n = n;
	return line;
}
