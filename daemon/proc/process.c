/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what events and /proc do to the process table. Times and numbers are the kernel's; names are
 * targets' and only compared with the few that the kernel itself gives to memory that is no file.
 * Nothing here does I/O.
 */
#include "proc/process.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/process_table.h"

/* ---- modules of mappings ---- */

static bool begins_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* Executable memory that no file on disk describes: perf's and /proc's names for it. Memory files
 * are where JITs keep code that they map twice. */
static bool is_jit(const char *path, uint64_t inode)
{
	static const char *const names[] = { "//anon", "[heap]", "[stack", "[anon",
		"/memfd:", "/dev/zero", "/SYSV", "anon_inode", "/anon_hugepage" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (begins_with(path, names[i]))
			return true;
	return path[0] == '\0' || (inode == 0 && path[0] != '[');
}

static struct module *jit_module(struct process_table *t, struct life *l)
{
	struct module *m = l->jit == TABLE_NONE ? NULL : module_table_get(t->modules, l->jit);

	if (m)
		return m;
	m = module_table_jit(t->modules, l->p.pid, l->p.from_ns);
	if (m)
		l->jit = m->id;
	return m;
}

int process_table_module(struct process_table *t, struct life *l, const char *path, uint32_t major,
	uint32_t minor, uint64_t inode, uint64_t generation, struct process_mapping *m)
{
	struct module *module;

	if (!strcmp(path, "[vdso]")) {
		module = module_table_pseudo(t->modules, MODULE_VDSO);
		m->offset = 0;
	} else if (is_jit(path, inode)) {
		module = jit_module(t, l);
		m->offset = m->start;
	} else if (path[0] == '[') {
		module = module_table_pseudo(t->modules, MODULE_UNKNOWN);
		m->offset = m->start;
	} else {
		module = module_table_file(t->modules, major, minor, inode, generation, path);
	}
	/* The table is full: the address is all that is known. */
	if (!module) {
		module = module_table_pseudo(t->modules, MODULE_UNKNOWN);
		m->offset = m->start;
	}
	if (module->kind == MODULE_FILE && module->seen_mappings++ == 0) {
		module->pid = l->p.pid;
		module->pid_start_ns = l->p.from_ns;
		module->map_start = m->start;
		module->map_end = m->end;
	}
	m->module = module->id;
	return 0;
}

int life_set_exe(struct life *l, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(l->p.exe);
	l->p.exe = copy;
	return 0;
}

/* ---- what children have from their parents ---- */

/* An event of a process came after the fork that it precedes: its children of since inherit it. */
static int tell_children(struct process_table *t, struct life *l, uint64_t time_ns)
{
	int r = 0;

	if (l->last_fork_ns < time_ns)
		return 0;
	for (size_t i = 0; r == 0 && i < RECENT_FORKS; i++) {
		const struct recent_fork *f = &t->forks[i];
		struct life *child;

		if (f->parent != l->p.pid || f->time_ns < time_ns || f->child == l->p.pid)
			continue;
		child = process_table_at(t, f->child, f->time_ns);
		if (child && child->p.from_ns == f->time_ns)
			r = life_inherit(child, t->modules, l);
	}
	return r;
}

static void note_fork(
	struct process_table *t, struct life *parent, uint32_t child, uint64_t time_ns)
{
	t->forks[t->next_fork++ % RECENT_FORKS] =
		(struct recent_fork){ parent->p.pid, child, time_ns };
	parent->last_fork_ns = MAX(parent->last_fork_ns, time_ns);
}

/* ---- events ---- */

/* The life that a fork at this time began: one that was met before its fork was told, or a new one.
 */
static struct life *life_of_fork(struct process_table *t, uint32_t pid, uint64_t time_ns)
{
	struct life *candidate = NULL;

	for (struct life *l = process_table_newest(t, pid); l && l->p.from_ns >= time_ns;
		l = process_table_older(t, l))
		candidate = l;
	if (!candidate || (candidate->from_exact && candidate->p.from_ns != time_ns))
		return process_table_add(t, pid, time_ns, true);
	if (!candidate->from_exact) {
		struct life *before = process_table_older(t, candidate);

		if (before && before->p.until_ns > time_ns)
			process_table_end(t, before, time_ns);
		life_began(candidate, time_ns);
	}
	return candidate;
}

int process_table_fork(struct process_table *t, uint32_t pid, uint32_t ppid, uint64_t time_ns)
{
	struct life *child, *parent;

	if (pid == ppid)
		return 0; /* a thread */
	child = life_of_fork(t, pid, time_ns);
	if (!child)
		return -E2BIG;
	child->p.ppid = ppid;
	parent = process_table_at(t, ppid, time_ns);
	if (!parent || parent == child)
		return 0;
	if (child->p.parent == 0) {
		child->p.parent = parent->p.id;
		parent->p.n_refs++;
	}
	note_fork(t, parent, pid, time_ns);
	child->p.other_root = parent->p.other_root;
	if (child->p.comm_ns == 0)
		memcpy(child->p.comm, parent->p.comm, sizeof(child->p.comm));
	if (child->p.exe[0] == '\0' && child->execs[0] == 0 &&
		life_set_exe(child, parent->p.exe) < 0)
		return -ENOMEM;
	child->p.maps_known |= parent->p.maps_known;
	return life_inherit(child, t->modules, parent);
}

/* The life an event is of, made where there is none yet. */
static struct life *life_of_event(struct process_table *t, uint32_t pid, uint64_t time_ns)
{
	struct life *l = process_table_at(t, pid, time_ns);

	return l ? l : process_table_add(t, pid, time_ns, false);
}

int process_table_comm(struct process_table *t, uint32_t pid, uint32_t tid, const char *comm,
	bool exec, uint64_t time_ns)
{
	struct life *l = life_of_event(t, pid, time_ns);

	if (!l)
		return -E2BIG;
	if (exec) {
		bool latest = time_ns >= l->execs[0];

		life_exec(l, t->modules, time_ns);
		l->p.maps_known = true;
		l->p.leader_exit_ns = 0; /* the thread that did it is the leader now */
		if (latest) {
			if (life_set_exe(l, "") < 0)
				return -ENOMEM;
			l->exe_pending = true;
		}
	}
	/* After an exec the one that called it is the leader. */
	if ((pid == tid || exec) && time_ns >= l->p.comm_ns) {
		memcpy(l->p.comm_before, l->p.comm, sizeof(l->p.comm_before));
		l->p.comm_ns = time_ns;
		(void)snprintf(l->p.comm, sizeof(l->p.comm), "%s", comm);
	}
	return exec ? tell_children(t, l, time_ns) : 0;
}

int process_table_mmap(struct process_table *t, uint32_t pid, uint64_t start, uint64_t end,
	uint64_t offset, uint32_t major, uint32_t minor, uint64_t inode, uint64_t generation,
	const char *path, uint64_t time_ns)
{
	struct process_mapping m = { .start = start, .end = end, .offset = offset };
	struct life *l;
	int r;

	if (start >= end)
		return -EINVAL;
	l = life_of_event(t, pid, time_ns);
	if (!l)
		return -E2BIG;
	r = process_table_module(t, l, path, major, minor, inode, generation, &m);
	if (r < 0)
		return r;
	if (l->exe_pending && time_ns >= l->execs[0] && path[0] == '/' && path[1] != '/') {
		r = life_set_exe(l, path);
		if (r < 0)
			return r;
		l->exe_pending = false;
	}
	r = life_map(l, t->modules, &m, time_ns);
	return r < 0 ? r : tell_children(t, l, time_ns);
}

int process_table_exit(struct process_table *t, uint32_t pid, uint64_t time_ns)
{
	for (struct life *l = process_table_newest(t, pid); l; l = process_table_older(t, l))
		if (l->p.from_ns <= time_ns) {
			if (l->p.until_ns > time_ns)
				process_table_end(t, l, time_ns);
			return 0;
		}
	return 0;
}

/* ---- /proc ---- */

struct merge {
	struct process_table *t;
	struct life *l;
	uint64_t before_ns, image_ns;
	uint64_t gap; /* the end of the last mapping read */
};

static int merge_entry(void *userdata, const struct maps_entry *e)
{
	struct merge *g = userdata;
	struct process_mapping m = { .start = e->start, .end = e->end, .offset = e->offset };
	char path[LIMIT_PATH];
	int r;

	if (e->start < g->gap)
		return 0; /* changed while it was read: the first answer stands */
	/* What is not there any more was unmapped, which no event tells. */
	r = life_unmap(g->l, g->t->modules, g->gap, e->start, g->before_ns);
	g->gap = e->end;
	if (r == 0)
		r = process_table_module(g->t, g->l, maps_path(e, path, sizeof(path), NULL),
			e->major, e->minor, e->inode, 0, &m);
	if (r < 0 || life_is_mapped_so(g->l, &m, g->before_ns))
		return r;
	/* Nothing else is known to have been there since the image began: so this was. */
	if (!life_knows_range(g->l, m.start, m.end, g->image_ns, g->before_ns))
		return life_map(g->l, g->t->modules, &m, g->image_ns);
	return life_map(g->l, g->t->modules, &m, g->before_ns);
}

static int merge_maps(
	struct process_table *t, struct life *l, const struct target_process_info *info)
{
	struct merge g = { .t = t,
		.l = l,
		.before_ns = info->before_ns,
		.image_ns = life_image_start(l, info->before_ns) };
	/* Cut off at the limit: beyond its end nothing is known. */
	bool whole = info->maps_n < LIMIT_PROC_FILE_BYTES;
	int r;

	/* An image that began while it was read is known from its events. */
	if (l->p.from_ns > info->before_ns || l->p.exec_ns > info->before_ns)
		return 0;
	r = maps_parse(info->maps, info->maps_n, true, merge_entry, &g, NULL);
	if (r == 0 && whole)
		r = life_unmap(l, t->modules, g.gap, UINT64_MAX, info->before_ns);
	if (r == 0)
		l->p.maps_known = true;
	return r == 0 ? tell_children(t, l, g.image_ns) : r;
}

int process_table_read(struct process_table *t, const struct target_process_info *info)
{
	struct life *l = process_table_at(t, info->pid, info->before_ns);
	struct life *newest = process_table_newest(t, info->pid);

	/* It was forked after we began to read: what was read is of it or of the one before. */
	if (!l && newest && newest->p.from_ns <= info->after_ns)
		return 0;
	if (!l || l->p.until_ns <= info->before_ns)
		l = process_table_add(t, info->pid, info->before_ns, false);
	if (!l)
		return -E2BIG;
	if (l->p.exec_ns <= info->before_ns) {
		if (l->p.comm_ns <= info->before_ns)
			(void)snprintf(l->p.comm, sizeof(l->p.comm), "%.15s", info->comm);
		if (info->exe[0] != '\0' && life_set_exe(l, info->exe) < 0)
			return -ENOMEM;
		l->exe_pending &= info->exe[0] == '\0';
	}
	l->p.ppid = info->stat.ppid;
	l->p.other_root = info->other_root;
	return info->maps ? merge_maps(t, l, info) : 0;
}
