/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the RESOLVE operation: names that a user gave to what the BPF programs compare. In profd's
 * own root and namespaces; the names are a peer's.
 */
#include "proc/target_protocol.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "proc/cgroup.h"
#include "proc/target_root.h"

static int resolve_exe(const char *name, struct target_resolved *r, char *path, size_t n)
{
	CLEANUP(target_root_deinit) struct target_root own = TARGET_ROOT_INIT;
	_cleanup_close_ int fd = -1;
	struct target_identity id;
	struct mount_entry refused;
	int err;

	if (name[0] != '/')
		return -EINVAL;
	err = target_root_init(&own, 0);
	if (err == 0)
		err = target_root_allow_path(&own, name, &refused);
	if (err < 0)
		return err;
	fd = target_root_locate(&own, name, 0);
	if (fd < 0)
		return fd;
	err = target_root_identify(&own, fd, &id);
	if (err == 0)
		err = target_root_allow_file(&id, &refused);
	if (err < 0)
		return err;
	if (!S_ISREG(id.mode))
		return S_ISDIR(id.mode) ? -EISDIR : -EINVAL;
	if ((size_t)snprintf(path, n, "%s", name) >= n)
		return -ENAMETOOLONG;
	r->major = id.sb_major;
	r->minor = id.sb_minor;
	r->inode = id.sb_inode;
	return 0;
}

void target_resolve_name(struct reader *request, struct writer *w)
{
	uint32_t kind = reader_u32(request);
	const char *name = reader_cstr(request);
	struct target_resolved resolved = { 0 };
	char path[LIMIT_PATH] = "";
	int r = -EINVAL;

	if (request->bad)
		return;
	switch (kind) {
	case TARGET_RESOLVE_EXE:
		r = resolve_exe(name, &resolved, path, sizeof(path));
		break;
	case TARGET_RESOLVE_CGROUP:
		r = cgroup_inner_path(name, path, sizeof(path));
		break;
	case TARGET_RESOLVE_UNIT:
		r = cgroup_find_unit(name, path, sizeof(path));
		break;
	}
	if (r == 0 && kind != TARGET_RESOLVE_EXE)
		r = cgroup_id_of(path, &resolved.cgroup_id, &resolved.cgroup_level);
	writer_u32(w, (uint32_t)r);
	writer_put(w, &resolved, sizeof(resolved));
	writer_cstr(w, path);
}
