// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Keeps `processes` and `unwind_processes` true while processes come and go: children inherit,
 * rules are tried when a process gets a name or a program, entries go with the process. In BPF,
 * because a child can be gone before the daemon hears of it. Numbers are the kernel's own; only
 * tracepoints with BTF types.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "listed.bpf.h"
#include "maps.bpf.h"
#include "glob.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 follow_own_ns; /* time in these programs, all CPUs */
__u64 follow_lost;   /* processes that did not fit into `processes` */

/* Always 0, which the verifier does not know: a machine that starts in a known state is followed
 * through each of its states, 100 times as many instructions. */
__u32 follow_zero;

struct glob_walk {
	struct glob glob;
	const char *pattern; /* ABI_GLOB bytes of the control map */
	char text[ABI_COMM];
};

static long glob_callback(u32 index, void *context)
{
	struct glob_walk *w = context;

	return glob_step(&w->glob, w->pattern, w->text);
}

struct rule_walk {
	struct control *control;
	u64 candidates; /* attachments whose rule is still to be tried */
	u64 attachments;
	u64 inode;
	u32 dev;
	char comm[ABI_COMM];
};

static long rule_callback(u32 index, void *context)
{
	struct rule_walk *w = context;
	u64 bit = 1ULL << (index & (ABI_ATTACHMENTS - 1));
	const struct target_rule *rule = &w->control->rules[index & (ABI_ATTACHMENTS - 1)];

	if (!(w->candidates & bit))
		return 0;
	w->candidates &= ~bit;
	if ((w->attachments & rule->require) == rule->require) {
		if (rule->kind == RULE_EXE) {
			if (rule->inode == w->inode && rule->dev == w->dev)
				w->attachments |= bit;
		} else if (rule->kind == RULE_COMM) {
			u32 zero = *(volatile u32 *)&follow_zero;
			struct glob_walk g = { .pattern = rule->glob };

			g.glob.p = g.glob.t = g.glob.star_p = g.glob.star_t = zero;
			g.glob.class_p = g.glob.negated = g.glob.in = zero;
			__builtin_memcpy(g.text, w->comm, ABI_COMM);
			bpf_loop(GLOB_STEPS, glob_callback, &g, 0);
			if (g.glob.matched)
				w->attachments |= bit;
		}
	}
	return w->candidates == 0;
}

/* `attachments` with those added whose rule of comm or executable the process meets. */
static __always_inline u64 rules_apply(struct control *control, struct task_struct *leader,
	const char *comm, u64 candidates, u64 attachments)
{
	struct rule_walk w = { .control = control,
		.candidates = candidates & ~attachments,
		.attachments = attachments };
	struct inode *inode;

	if (!w.candidates)
		return attachments;
	inode = BPF_CORE_READ(leader, mm, exe_file, f_inode);
	if (inode) {
		w.inode = BPF_CORE_READ(inode, i_ino);
		w.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	}
	bpf_probe_read_kernel_str(w.comm, sizeof(w.comm), comm);
	bpf_loop(ABI_ATTACHMENTS, rule_callback, &w, 0);
	return w.attachments;
}

static __always_inline void process_set(u32 tgid, u64 start_ns, u64 attachments)
{
	struct target_process entry = { .attachments = attachments, .start_ns = start_ns };

	if (bpf_map_update_elem(&processes, &tgid, &entry, BPF_ANY))
		__sync_fetch_and_add(&follow_lost, 1);
}

static __always_inline void rules_update(struct task_struct *task, const char *comm)
{
	struct control *control = control_get();
	struct task_struct *leader = task->group_leader;
	u64 start_ns, has, now;

	if (!control || !control->exec_rules)
		return;
	start_ns = leader->start_boottime;
	has = process_attachments(task->tgid, start_ns);
	now = rules_apply(control, leader, comm, control->exec_rules, has);
	if (now != has)
		process_set(task->tgid, start_ns, now);
}

/* The child's mappings are those of its parent, so its list is. */
static __always_inline void mappings_inherit(u32 parent, struct task_struct *child)
{
	const struct unwind_process *p = bpf_map_lookup_elem(&unwind_processes, &parent);
	struct unwind_process entry;
	u32 tgid = child->tgid;

	if (!p)
		return;
	entry = *p;
	entry.start_ns = child->start_boottime;
	(void)bpf_map_update_elem(&unwind_processes, &tgid, &entry, BPF_ANY);
}

/* The child has its parent's attachments, but those without children; of these it keeps the ones
 * whose rule it meets by itself, having its parent's name and program until it execs. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(follow_fork, struct task_struct *parent, struct task_struct *child)
{
	u64 began = bpf_ktime_get_ns(), has, inherits, again;
	struct control *control = control_get();

	if (!control || child->pid != child->tgid)
		return 0;
	mappings_inherit(parent->tgid, child);
	has = process_attachments(parent->tgid, parent->group_leader->start_boottime);
	if (has) {
		inherits = has & ~control->no_children;
		again = has & control->no_children & control->exec_rules;
		if (again)
			inherits = rules_apply(control, child, child->comm, again, inherits);
		if (inherits)
			process_set(child->tgid, child->start_boottime, inherits);
	}
	__sync_fetch_and_add(&follow_own_ns, bpf_ktime_get_ns() - began);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(follow_exec, struct task_struct *task)
{
	u64 began = bpf_ktime_get_ns();
	u32 tgid = task->tgid;

	bpf_map_delete_elem(&unwind_processes, &tgid);
	rules_update(task, task->comm);
	__sync_fetch_and_add(&follow_own_ns, bpf_ktime_get_ns() - began);
	return 0;
}

/* Fires before the name is stored, so the new one is the argument. */
SEC("tp_btf/task_rename")
int BPF_PROG(follow_rename, struct task_struct *task, const char *comm)
{
	u64 began = bpf_ktime_get_ns();

	if (task->pid == task->tgid)
		rules_update(task, comm);
	__sync_fetch_and_add(&follow_own_ns, bpf_ktime_get_ns() - began);
	return 0;
}

/* The leader is freed last, after every thread of it. Its number may be another process's by then:
 * the start time tells. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(follow_free, struct task_struct *task)
{
	const struct unwind_process *listed;
	u32 tgid = task->tgid;

	if (task->pid != tgid)
		return 0;
	if (process_attachments(tgid, task->start_boottime))
		bpf_map_delete_elem(&processes, &tgid);
	listed = bpf_map_lookup_elem(&unwind_processes, &tgid);
	if (listed && listed->start_ns == task->start_boottime)
		bpf_map_delete_elem(&unwind_processes, &tgid);
	return 0;
}
