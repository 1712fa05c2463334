/* SPDX-License-Identifier: Apache-2.0 */
/* Owns how a job comes by its descriptors (open.h). Where files may be is the target helper's. */
#include "symbol/open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include "base/cleanup.h"
#include "base/io.h"

static int duplicate(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return own < 0 ? -errno : own;
}

int open_held(const struct module *m)
{
	return duplicate(m->fd);
}

int open_hold(struct module *m, struct target_file *file)
{
	int own = duplicate(file->fd);

	module_set_file(m, TAKE_FD(file->fd), file->size, file->mtime_ns, file->ctime_ns,
		file->owner_uid, file->same_mount_as_root);
	/* Also where the module had no room: it says which worker may read the file. */
	m->owner_uid = file->owner_uid;
	return own;
}

int open_module(struct target_io *io, struct module *m, target_open_fn done, void *userdata)
{
	struct target_open_request q = {
		.pid = m->pid,
		.start = m->map_start,
		.end = m->map_end,
		.major = m->major,
		.minor = m->minor,
		.inode = m->inode,
		.path = m->path,
	};
	int r = target_open(io, &q, done, userdata);

	if (r == 0)
		m->file_state = MODULE_FILE_ASKED;
	return r;
}

int open_done(struct module *m, int error, struct target_file *file)
{
	if (m->fd >= 0)
		return open_held(m);
	if (error == 0)
		return open_hold(m, file);
	module_set_file_error(m, error);
	return error;
}

int open_debug(struct target_io *io, const struct module *m, const uint8_t *build_id,
	uint32_t build_id_n, const char *debuglink, target_debug_fn done, void *userdata)
{
	char hex[HEX_MAX];

	if (m->kind != MODULE_FILE || (build_id_n == 0 && !*debuglink))
		return -ENODATA;
	hex_format(build_id, build_id_n, hex);
	return target_open_debug(io, build_id_n ? hex : NULL, *debuglink ? debuglink : NULL,
		m->path, m->pid, done, userdata);
}

void opened_take(struct opened *o, int *fds, size_t n)
{
	for (size_t i = 0; i < n && o->n < SYMBOL_MAX_DEBUG; i++) {
		if (fds[i] >= 0)
			o->fds[o->n++] = TAKE_FD(fds[i]);
	}
}

void opened_deinit(struct opened *o)
{
	for (uint32_t i = 0; i < o->n; i++)
		close_fd(o->fds[i]);
	o->n = 0;
}

void hex_format(const uint8_t *id, uint32_t n, char ret[HEX_MAX])
{
	ret[0] = '\0';
	for (uint32_t i = 0; i < n; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", id[i]);
}
