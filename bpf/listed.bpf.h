/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * Which processes have a list of mappings in the store; shared by the walk and by follow.bpf.c.
 */
#ifndef PROFD_BPF_LISTED_H
#define PROFD_BPF_LISTED_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

/* Kernel tgid -> its list of mappings. Bound: LIMIT_PROCESSES. Entries are made by the daemon, and
 * by follow for a child, which begins with the mappings of its parent; removed by follow at exec
 * and when the process is freed, or by the daemon. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct unwind_process);
} unwind_processes SEC(".maps");

#endif
