// SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0)
/*
 * Takes attachments away from every process; run by BPF_PROG_TEST_RUN. A loop of bpf() calls would
 * do it too, but no perf event program runs on a CPU that is inside of a map update.
 */
#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u64 forget_attachments; /* the request */

struct bpf_map;

static long forget_one(
	struct bpf_map *map, u32 *tgid, struct target_process *process, void *context)
{
	u64 left = process->attachments & ~*(u64 *)context;

	process->attachments = left;
	if (!left)
		bpf_map_delete_elem(map, tgid);
	return 0;
}

SEC("raw_tp")
int forget(void *ctx)
{
	u64 attachments = forget_attachments;

	bpf_for_each_map_elem(&processes, forget_one, &attachments, 0);
	return 0;
}
