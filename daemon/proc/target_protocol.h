/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What target.c (daemon) and target_serve.c (helper) say to each other; internal to the room. One
 * image on both sides, so structs travel as they are. A reply longer than a message is one sealed
 * memfd and no bytes.
 *
 * Requests begin with u32 operation:
 *   READ    u32 flags, u32 n, n * u32 pid      -> per pid: i32 error, u32 pid, if 0 then
 *           u64 before, u64 after, stat, status, u32 owner, u64 cgroup_id, u8 other_root, u8
 * deleted, u32 major, u32 minor, u64 inode, cstr comm, cstr exe, cstr cgroup, str cmdline, u8
 * has_maps [, str maps] LIST                                        -> u32 n, n * u32 pid OPEN u32
 * pid, u64 start, u64 end, u32 major, u32 minor, u64 inode, cstr path PERFMAP u32 pid -> both: i32
 * error, then when 0 struct target_file with fd unused and one descriptor; when -EOPNOTSUPP u32
 * major, u32 minor, cstr type DEBUG   u32 pid, cstr build_id, cstr debuglink, cstr path  -> i32 0
 * and 0..4 descriptors RESOLVE u32 kind, cstr name                 -> i32 error, struct
 * target_resolved, cstr path
 */
#ifndef PROFD_PROC_TARGET_PROTOCOL_H
#define PROFD_PROC_TARGET_PROTOCOL_H

#include "base/bytes.h"
#include "base/limits.h"
#include "proc/target.h"

enum target_op {
	TARGET_READ = 1,
	TARGET_LIST,
	TARGET_OPEN,
	TARGET_PERF_MAP,
	TARGET_DEBUG,
	TARGET_RESOLVE
};

#define TARGET_READ_MAPS	1U /* flags of READ */
#define TARGET_READ_SKIP_KERNEL 2U /* kernel threads and zombies are -ENOENT */
#define TARGET_READ_PIDS	32U
#define TARGET_CMDLINE_BYTES	4096U
#define TARGET_REPLY_BYTES	(LIMIT_PROC_FILE_BYTES + MIB)
#define TARGET_DEBUG_FILES	4U

static inline void writer_cstr(struct writer *w, const char *s)
{
	writer_put(w, s, __builtin_strlen(s) + 1);
}

/* Out of the reader into a struct of the same image; zeroes where the bytes are missing. */
static inline void reader_struct(struct reader *r, void *out, size_t n)
{
	const uint8_t *p = reader_bytes(r, n);

	if (p)
		__builtin_memcpy(out, p, n);
	else
		__builtin_memset(out, 0, n);
}

/* ---- the helper's operations; each appends its reply to w ---- */

struct target_fds {
	int fd[LIMIT_HELPER_FDS];
	size_t n;
};

void target_read_processes(struct reader *request, struct writer *w);
void target_list_processes(struct writer *w);
void target_open_file(struct reader *request, struct writer *w, struct target_fds *fds);
void target_open_perf_map_file(struct reader *request, struct writer *w, struct target_fds *fds);
void target_open_debug_files(struct reader *request, struct writer *w, struct target_fds *fds);
void target_resolve_name(struct reader *request, struct writer *w);

#endif
