/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps --exe true where the file at a path is replaced, as every build does: the BPF programs
 * compare device and inode, so each path is looked up again from time to time, one at a time. What
 * was started from the new file before that is found by a scan.
 */
#include <string.h>
#include "base/clock.h"
#include "base/limits.h"
#include "profd.h"

struct exe {
	uint64_t attachment; /* id */
	unsigned bit;
	char *path; /* owned */
	struct target_rule rule;
};

void exes_init(struct exes *s)
{
	*s = (struct exes){ .rules = ARRAY_INIT(struct exe, LIMIT_ATTACHMENTS) };
}

void exes_deinit(struct exes *s)
{
	for (size_t i = 0; i < s->rules.n; i++)
		free(ARRAY_AT(&s->rules, struct exe, i)->path);
	array_deinit(&s->rules);
}

static void forget_detached(struct profd *p)
{
	struct array *rules = &p->exes.rules;
	size_t kept = 0;

	for (size_t i = 0; i < rules->n; i++) {
		struct exe *exe = ARRAY_AT(rules, struct exe, i);
		if (attachment_table_by_id(p->attachments, exe->attachment))
			*ARRAY_AT(rules, struct exe, kept++) = *exe;
		else
			free(exe->path);
	}
	rules->n = kept;
}

void exes_add(struct profd *p, const struct attachment *a, unsigned bit, const char *path,
	const struct target_rule *rule)
{
	forget_detached(p);
	struct exe *new = array_push(&p->exes.rules);
	if (!new)
		return; /* then it stays with the file that is there now */
	*new = (struct exe){ a->id, bit, strdup(path), *rule };
	if (!new->path)
		p->exes.rules.n--;
}

/* The one that was asked for, unless it was detached meanwhile. */
static struct exe *exe_asked(struct profd *p)
{
	forget_detached(p);
	for (size_t i = 0; i < p->exes.rules.n; i++) {
		struct exe *exe = ARRAY_AT(&p->exes.rules, struct exe, i);
		if (exe->bit == p->exes.asked_bit && exe->attachment == p->exes.asked_attachment)
			return exe;
	}
	return NULL;
}

static void on_scanned(void *userdata, int error, const struct target_process_info *info)
{
	struct profd *p = userdata;
	const struct exe *exe = error < 0 ? NULL : exe_asked(p);

	if (exe && info->exe_inode == exe->rule.inode &&
		((info->exe_major << 20) | info->exe_minor) == exe->rule.dev)
		(void)kernel_target_pid(p->kernel, info->pid, 1ULL << exe->bit);
}

static void on_scan_done(void *userdata, int error)
{
	struct profd *p = userdata;
	(void)error;
	p->exes.asking = false;
}

static void on_resolved(void *userdata, int error, const struct target_resolved *r)
{
	struct profd *p = userdata;
	struct exe *exe = exe_asked(p);

	p->exes.asking = false;
	if (error < 0 || !exe) /* no file there: a build is under way */
		return;
	uint32_t dev = (r->major << 20) | r->minor;
	if (exe->rule.inode == r->inode && exe->rule.dev == dev)
		return;
	exe->rule.inode = r->inode;
	exe->rule.dev = dev;
	kernel_target_rule(p->kernel, exe->bit, &exe->rule);
	/* What must be below a process was started by it: that is seen at its exec. */
	if (!exe->rule.require)
		p->exes.asking = target_scan(p->io, on_scanned, on_scan_done, p) >= 0;
}

void exes_refresh(struct profd *p)
{
	struct exes *s = &p->exes;

	if (s->asking)
		return;
	forget_detached(p);
	if (s->rules.n == 0)
		return;
	const struct exe *exe = ARRAY_AT(&s->rules, struct exe, s->next++ % s->rules.n);
	s->asked_attachment = exe->attachment;
	s->asked_bit = exe->bit;
	s->asking = target_resolve(p->io, TARGET_RESOLVE_EXE, exe->path, on_resolved, p) >= 0;
}
