/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * The few kernel structures that the programs read, with the few members they read. Offsets are
 * relocated against the running kernel's BTF (CO-RE), so order and size here mean nothing. A name
 * with three underscores is another kernel's shape of the type before them.
 */
#ifndef PROFD_BPF_KERNEL_TYPES_H
#define PROFD_BPF_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <stdbool.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#include "bpf/unwind_step.h"

/* The context of SEC("perf_event"): struct bpf_perf_event_data of uapi/linux/bpf_perf_event.h. */
struct perf_event_context {
	struct user_regs regs;
	u64 sample_period;
	u64 addr;
};

#define PF_KTHREAD 0x00200000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};
struct pid_namespace {
	struct ns_common ns;
};
struct user_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct kuid {
	u32 val;
};
struct kernel_capabilities {
};
struct cred {
	struct kuid uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	struct kernel_capabilities cap_permitted; /* 8 bytes; u32[2] until Linux 6.2, then u64 */
	struct user_namespace *user_ns;
};

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
};
struct inode {
	unsigned long i_ino;
	unsigned short i_mode;
	struct super_block *i_sb;
};
struct file {
	struct inode *f_inode;
};

struct kernfs_node {
	u64 id;
};
struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[1];
};
struct css_set {
	struct cgroup *dfl_cgrp;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	unsigned long flags;
	struct file *exe_file;
	unsigned long start_stack;
};
/* mm->flags is a bitmap in a struct since Linux 6.18. */
struct mm_struct___bitmap {
	struct {
		unsigned long __mm_flags[1];
	} flags;
};

struct task_struct {
	void *stack;
	unsigned int flags;
	int pid, tgid;
	u64 start_boottime;
	u64 self_exec_id;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *real_cred;
	struct mm_struct *mm;
	struct files_struct *files;
	struct css_set *cgroups;
	int on_cpu;
	unsigned int __state;
	unsigned long nvcsw, nivcsw;
	unsigned int in_execve : 1;
	unsigned int in_iowait : 1;
	char comm[16];
};

struct seq_file {
};
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
