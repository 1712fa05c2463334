/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what the helper says of processes: one READ block per pid, and the list of pids. Everything
 * of a process is read through descriptors that pin it; a process that ended meanwhile is -ESRCH as
 * a whole, never a mixture. Command lines, names and paths are the target's and pass through
 * uninterpreted.
 */
#include "proc/target_protocol.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "bpf/abi.h"
#include "proc/cgroup.h"
#include "proc/target_root.h"

#define SMALL_FILE_BYTES (64 * KIB)

struct process_read {
	struct stat_fields stat;
	struct status_fields status;
	uint32_t owner_uid;
	uint64_t cgroup_id;
	bool other_root, exe_deleted;
	struct target_identity exe_id;
	char comm[64], exe[LIMIT_PATH];
	char *cgroup, *cmdline, *maps; /* owned */
	size_t cgroup_n, cmdline_n, maps_n;
};

static void process_read_deinit(struct process_read *p)
{
	free(p->cgroup);
	free(p->cmdline);
	free(p->maps);
}

/* The one uid that may be shown this process: the kernel's PTRACE_MODE_READ check, as seen from a
 * plain user of that uid in our user namespace. */
static uint32_t owner_of(const struct target_root *t, const struct status_fields *s)
{
	char theirs[64], ours[64];
	struct stat st;

	for (int i = 1; i < 4; i++)
		if (s->uid[i] != s->uid[0] || s->gid[i] != s->gid[0])
			return OWNER_NOBODY;
	if (s->cap_permitted != 0)
		return OWNER_NOBODY;
	/* What is below /proc/PID belongs to root where the process is not dumpable; the directory
	 * itself always shows the effective uid (task_dump_owner() in fs/proc/base.c). */
	if (fstatat(t->proc, "status", &st, 0) < 0 || st.st_uid != s->uid[0] ||
		st.st_gid != s->gid[0])
		return OWNER_NOBODY;
	if (target_root_link(t, "ns/user", theirs, sizeof(theirs)) < 0 ||
		readlink("/proc/self/ns/user", ours, sizeof(ours)) < 0)
		return OWNER_NOBODY;
	ours[MIN(strlen(theirs), sizeof(ours) - 1)] = '\0';
	return strcmp(theirs, ours) ? OWNER_NOBODY : s->uid[0];
}

static bool has_other_root(const struct target_root *t)
{
	char theirs[LIMIT_PATH], ours[64];
	ssize_t n;

	if (target_root_link(t, "root", theirs, sizeof(theirs)) < 0 || strcmp(theirs, "/") != 0 ||
		target_root_link(t, "ns/mnt", theirs, sizeof(theirs)) < 0)
		return true;
	n = readlink("/proc/self/ns/mnt", ours, sizeof(ours) - 1);
	if (n < 0)
		return true;
	ours[n] = '\0';
	return strcmp(theirs, ours) != 0;
}

static int read_exe(struct target_root *t, struct process_read *p, bool skip_kernel)
{
	static const char mark[] = " (deleted)";
	_cleanup_close_ int fd = -1;
	struct mount_entry refused;
	size_t n, mark_n = sizeof(mark) - 1;
	int r = target_root_link(t, "exe", p->exe, sizeof(p->exe));

	if (r < 0) {
		/* A kernel thread or a zombie has none; without permission it is not known. */
		p->exe[0] = '\0';
		return r == -ENOENT && skip_kernel ? r : 0;
	}
	n = strlen(p->exe);
	p->exe_deleted = n > mark_n && !strcmp(p->exe + n - mark_n, mark);
	if (p->exe_deleted)
		p->exe[n - mark_n] = '\0';
	fd = openat(t->proc, "exe", O_PATH | O_CLOEXEC);
	if (fd >= 0 && target_root_identify(t, fd, &p->exe_id) == 0 &&
		target_root_allow_file(&p->exe_id, &refused) == 0)
		return 0;
	p->exe_id = (struct target_identity){ 0 };
	return 0;
}

static int read_text(struct target_root *t, struct process_read *p)
{
	_cleanup_free_ char *stat_text = NULL, *status_text = NULL, *comm = NULL, *groups = NULL;
	const char *path;
	size_t n, path_n;
	int r = target_root_read(t, "stat", SMALL_FILE_BYTES, &stat_text, &n);

	if (r == 0)
		r = stat_parse(stat_text, n, &p->stat);
	if (r == 0)
		r = target_root_read(t, "status", SMALL_FILE_BYTES, &status_text, &n);
	if (r == 0)
		r = status_parse(status_text, n, &p->status);
	if (r == 0)
		r = target_root_read(t, "comm", sizeof(p->comm) - 1, &comm, &n);
	if (r < 0)
		return r;
	n = strcspn(comm, "\n");
	memcpy(p->comm, comm, n);
	p->comm[n] = '\0';
	if (target_root_read(t, "cgroup", SMALL_FILE_BYTES, &groups, &n) == 0 &&
		cgroup_parse(groups, n, &path, &path_n) == 0) {
		p->cgroup = strndup(path, path_n);
		if (!p->cgroup)
			return -ENOMEM;
		(void)cgroup_id_of(p->cgroup, &p->cgroup_id, NULL);
	}
	/* Its memory, which its owner may withhold: without it there is still the rest. */
	(void)target_root_read(t, "cmdline", TARGET_CMDLINE_BYTES, &p->cmdline, &p->cmdline_n);
	return 0;
}

static void put_process(struct writer *w, const struct process_read *p, uint64_t before_ns)
{
	writer_u64(w, before_ns);
	writer_u64(w, clock_monotonic_ns());
	writer_put(w, &p->stat, sizeof(p->stat));
	writer_put(w, &p->status, sizeof(p->status));
	writer_u32(w, p->owner_uid);
	writer_u64(w, p->cgroup_id);
	writer_u8(w, p->other_root);
	writer_u8(w, p->exe_deleted);
	writer_u32(w, p->exe_id.sb_major);
	writer_u32(w, p->exe_id.sb_minor);
	writer_u64(w, p->exe_id.sb_inode);
	writer_cstr(w, p->comm);
	writer_cstr(w, p->exe);
	writer_cstr(w, p->cgroup ? p->cgroup : "");
	writer_str(w, p->cmdline ? p->cmdline : "", p->cmdline_n);
	writer_u8(w, p->maps != NULL);
	if (p->maps)
		writer_str(w, p->maps, p->maps_n);
}

static int read_process(uint32_t pid, uint32_t flags, struct writer *w)
{
	CLEANUP(target_root_deinit) struct target_root t = TARGET_ROOT_INIT;
	CLEANUP(process_read_deinit) struct process_read p = { .owner_uid = OWNER_NOBODY };
	uint64_t before_ns = clock_monotonic_ns();
	size_t room = LIMIT_PROC_FILE_BYTES - MIN(w->n, LIMIT_PROC_FILE_BYTES);
	int r = pid == 0 ? -ESRCH : target_root_init(&t, pid);

	if (r == 0)
		r = read_exe(&t, &p, flags & TARGET_READ_SKIP_KERNEL);
	if (r == 0)
		r = read_text(&t, &p);
	if (r == 0 && (flags & TARGET_READ_MAPS))
		r = target_root_read(&t, "maps", room, &p.maps, &p.maps_n);
	if (r == 0) {
		p.owner_uid = owner_of(&t, &p.status);
		p.other_root = has_other_root(&t);
		r = target_root_verify(&t);
	}
	/* ENOENT and ESRCH of a file below /proc/PID both mean that it has gone. */
	if (r == -ENOENT && !(flags & TARGET_READ_SKIP_KERNEL))
		r = -ESRCH;
	writer_u32(w, (uint32_t)r);
	writer_u32(w, pid);
	if (r == 0)
		put_process(w, &p, before_ns);
	return r;
}

void target_read_processes(struct reader *request, struct writer *w)
{
	uint32_t flags = reader_u32(request), n = reader_u32(request);

	for (uint32_t i = 0; i < n && !request->bad; i++) {
		uint32_t pid = reader_u32(request);

		if (!request->bad)
			(void)read_process(pid, flags, w);
	}
}

void target_list_processes(struct writer *w)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	uint32_t n = 0;

	writer_u32(w, 0);
	while (d && n < LIMIT_PROCESSES && (e = readdir(d))) {
		unsigned long pid;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		pid = strtoul(e->d_name, NULL, 10);
		if (pid == 0 || pid > INT32_MAX)
			continue;
		writer_u32(w, (uint32_t)pid);
		n++;
	}
	if (d)
		closedir(d);
	if (!w->bad)
		memcpy(w->data, &n, sizeof(n));
}
