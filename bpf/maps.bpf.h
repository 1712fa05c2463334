/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * The maps that more than one program uses. The object of cpu.bpf.c creates them; the loader hands
 * the same maps to the others (daemon/kernel/load.c). Maps that one program alone uses stand in its
 * own file.
 */
#ifndef PROFD_BPF_MAPS_H
#define PROFD_BPF_MAPS_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

/* One value: what is asked for. Written by the daemon through mmap, read by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct control);
} control SEC(".maps");

/* Kernel tgid -> attachments. Bound: processes known at once (LIMIT_PROCESSES). Entries are made by
 * follow and mark, and removed by follow when the process is freed or by the daemon's `forget`. A
 * stale one (pid reused) has another start_ns. Preallocated: an insert never waits for memory. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct target_process);
} processes SEC(".maps");

static __always_inline struct control *control_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

/* The attachments of a process; an entry of an earlier process with the same number counts not. */
static __always_inline u64 process_attachments(u32 tgid, u64 start_ns)
{
	const struct target_process *p = bpf_map_lookup_elem(&processes, &tgid);

	return p && p->start_ns == start_ns ? p->attachments : 0;
}

#endif
