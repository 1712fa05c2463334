/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the reading of the target helper's replies. The helper is ours but has touched targets:
 * lengths are checked, memfds must be sealed before they are mapped.
 */
#include "proc/target_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/io.h"

int target_reply_open(
	struct target_reply *r, const void *reply, size_t n, const int *fds, size_t n_fds)
{
	int seals, error;
	size_t size;
	void *map;

	*r = (struct target_reply){ .reader = READER_INIT(reply, n) };
	if (n > 0 || n_fds == 0)
		return 0;
	seals = fcntl(fds[0], F_GET_SEALS);
	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
		return -EBADMSG;
	error = io_regular_size(fds[0], TARGET_REPLY_BYTES, &size);
	if (error < 0)
		return error;
	map = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fds[0], 0) : MAP_FAILED;
	if (map == MAP_FAILED)
		return size > 0 ? -errno : -EBADMSG;
	*r = (struct target_reply){ .reader = READER_INIT(map, size), .map = map, .map_n = size };
	return 0;
}

void target_reply_close(struct target_reply *r)
{
	if (r->map)
		(void)munmap(r->map, r->map_n);
	r->map = NULL;
}

int target_info_parse(struct reader *r, uint32_t *ret_pid, struct target_process_info *ret)
{
	int error = (int)reader_u32(r);
	struct target_process_info i = { 0 };

	i.pid = reader_u32(r);
	if (r->bad || error > 0)
		return -EBADMSG;
	*ret_pid = i.pid;
	if (error < 0)
		return error;
	i.before_ns = reader_u64(r);
	i.after_ns = reader_u64(r);
	reader_struct(r, &i.stat, sizeof(i.stat));
	reader_struct(r, &i.status, sizeof(i.status));
	i.owner_uid = reader_u32(r);
	i.cgroup_id = reader_u64(r);
	i.other_root = reader_u8(r);
	i.exe_deleted = reader_u8(r);
	i.exe_major = reader_u32(r);
	i.exe_minor = reader_u32(r);
	i.exe_inode = reader_u64(r);
	i.comm = reader_cstr(r);
	i.exe = reader_cstr(r);
	i.cgroup = reader_cstr(r);
	i.cmdline = reader_str(r, &i.cmdline_n);
	if (reader_u8(r))
		i.maps = reader_str(r, &i.maps_n);
	if (r->bad)
		return -EBADMSG;
	*ret = i;
	return 0;
}
