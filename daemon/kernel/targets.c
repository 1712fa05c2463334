/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's side of bpf/abi.h's targets: writes rules into the mapped control value and marks
 * processes through a task iterator. The programs read the control value while it is written, so a
 * rule is switched off by its bit before it changes, and on afterwards.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "bpf/forget.skel.h"
#include "bpf/mark.skel.h"

/* Pairs with the plain loads of the programs, which see either value of a word. */
static void word_set(__abi_u64 *word, uint64_t bits, bool on)
{
	__atomic_store_n(word, on ? *word | bits : *word & ~bits, __ATOMIC_RELEASE);
}

void kernel_target_all(struct kernel *k, uint64_t attachment_bit, bool on)
{
	word_set(&k->programs.control->all, attachment_bit, on);
}

void kernel_target_no_children(struct kernel *k, uint64_t attachment_bit, bool on)
{
	word_set(&k->programs.control->no_children, attachment_bit, on);
}

void kernel_target_rule(struct kernel *k, unsigned attachment, const struct target_rule *rule)
{
	struct control *control = k->programs.control;
	uint64_t bit = 1ULL << (attachment % ABI_ATTACHMENTS);

	word_set(&control->cgroup_rules, bit, false);
	word_set(&control->exec_rules, bit, false);
	if (!rule || rule->kind == RULE_NONE)
		return;
	control->rules[attachment % ABI_ATTACHMENTS] = *rule;
	control->rules[attachment % ABI_ATTACHMENTS].glob[ABI_GLOB - 1] = 0;
	if (rule->kind == RULE_CGROUP)
		word_set(&control->cgroup_rules, bit, true);
	else
		word_set(&control->exec_rules, bit, true);
}

/* Asks the kernel about one process of our PID namespace, adding attachments where some are given.
 */
static int mark(struct kernel *k, uint32_t pid, uint64_t add, uint64_t *ret_has)
{
	struct mark_bpf *m = k->programs.mark;
	union bpf_iter_link_info info = { .task.tid = pid };
	DECLARE_LIBBPF_OPTS(
		bpf_link_create_opts, opts, .iter_info = &info, .iter_info_len = sizeof(info));
	_cleanup_close_ int link = -1, iterator = -1;
	char byte;

	if (pid == 0 || pid > INT32_MAX)
		return -ESRCH;
	m->bss->mark_add = add;
	m->bss->mark_has = 0;
	m->bss->mark_tgid = 0;
	m->bss->mark_error = 0;
	link = bpf_link_create(bpf_program__fd(m->progs.mark), 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		return link;
	iterator = bpf_iter_create(link);
	if (iterator < 0)
		return iterator;
	if (read(iterator, &byte, sizeof(byte)) < 0)
		return -errno;
	if (!m->bss->mark_tgid)
		return -ESRCH;
	if (m->bss->mark_error)
		return m->bss->mark_error;
	*ret_has = m->bss->mark_has;
	return 0;
}

int targets_tgid(struct kernel *k, uint32_t pid, uint32_t *ret)
{
	uint64_t has;
	int r;

	if (k->programs.pid_level == 0) {
		*ret = pid;
		return 0;
	}
	r = mark(k, pid, 0, &has);
	if (r < 0)
		return r;
	*ret = k->programs.mark->bss->mark_tgid;
	return 0;
}

int kernel_target_pid(struct kernel *k, uint32_t pid, uint64_t attachment_bits)
{
	uint64_t has;

	return mark(k, pid, attachment_bits, &has);
}

uint64_t kernel_target_of(struct kernel *k, uint32_t pid)
{
	uint64_t has = 0;

	return mark(k, pid, 0, &has) < 0 ? 0 : has;
}

void kernel_target_forget(struct kernel *k, uint64_t attachment_bits)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run);
	struct control *control = k->programs.control;

	/* Rules first, so that no process is marked again behind the sweep. */
	word_set(&control->exec_rules, attachment_bits, false);
	word_set(&control->cgroup_rules, attachment_bits, false);
	word_set(&control->all, attachment_bits, false);
	k->programs.forget->bss->forget_attachments = attachment_bits;
	(void)bpf_prog_test_run_opts(bpf_program__fd(k->programs.forget->progs.forget), &run);
	word_set(&control->no_children, attachment_bits, false);
}
