/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * The walk over a user stack inside of a program: copies a window of the stack once, walks inside
 * of it, copies again where a frame lies outside. A helper call costs about 55 ns whatever its
 * size; a frame in the window 2 ns.
 *
 * Shape, for the verifier and for speed: registers and hash in a small struct on the BPF stack
 * (what bpf_loop wants), everything else in the caller's scratch map value; eight frames in a
 * callback. No may_goto here: inside of a bpf_loop callback it crashes the verifier of some
 * kernels.
 */
#ifndef PROFD_BPF_UNWIND_H
#define PROFD_BPF_UNWIND_H

#include "kernel_types.bpf.h"
#include <bpf/bpf_helpers.h>
#include "bpf/unwind_step.h"

#define UNWIND_WINDOW	    1024
#define UNWIND_FRAMES	    1024 /* power of two above ABI_FRAMES: an index is made safe by a mask */
#define UNWIND_PER_CALLBACK 8

struct unwind_scratch {
	u64 window_at; /* user address of window[0]; 0: nothing copied */
	u32 n;	       /* frames in `frames`, kernel and user */
	u32 limit;     /* no frame is added at or past this index */
	u32 reason;    /* enum truncate_reason once the walk has ended */
	u32 pad;
	u64 window[UNWIND_WINDOW / 8];
	u64 spare[2];
};

struct unwind_walk {
	struct unwind_regs regs;
	u64 hash;
	struct unwind_scratch *scratch;
	u64 *frames; /* UNWIND_FRAMES of them */
};

static __always_inline int unwind_read_window(
	void *memory, u64 address, u64 *ret_low, u64 *ret_high)
{
	struct unwind_scratch *s = memory;
	u64 at = address - s->window_at;

	if (!s->window_at || at > UNWIND_WINDOW - 16) {
		s->window_at = address;
		at = 0;
		if (bpf_probe_read_user(s->window, UNWIND_WINDOW, (void *)address)) {
			/* Near the top of the stack the whole window is not mapped. */
			s->window_at = 0;
			if (bpf_probe_read_user(s->window, 16, (void *)address))
				return -1;
		}
	}
	/* The compiler knows the bound, the verifier must see it on this very register. */
	asm volatile("" : "+r"(at));
	if (at > UNWIND_WINDOW - 16)
		return -1;
	*ret_low = *(u64 *)((u8 *)s->window + at);
	*ret_high = *(u64 *)((u8 *)s->window + at + 8);
	return 0;
}

/* The rule in force at an instruction. The table unwinder's lookup goes here; without a table it is
 * the frame pointer's everywhere. */
static __always_inline enum unwind_rule unwind_rule_at(struct unwind_scratch *s, u64 ip)
{
	(void)s;
	(void)ip;
	return UNWIND_FP;
}

static __always_inline void unwind_push(struct unwind_scratch *s, u64 *frames, u64 ip)
{
	frames[s->n & (UNWIND_FRAMES - 1)] = ip;
	s->n++;
}

static long unwind_callback(u32 index, void *context)
{
	struct unwind_walk *w = context;
	struct unwind_scratch *s = w->scratch;
	struct unwind_regs regs = w->regs;
	u64 hash = w->hash, *frames = w->frames;
	u32 n = s->n;
	int reason = UNWIND_MORE;

#pragma unroll
	for (int i = 0; i < UNWIND_PER_CALLBACK; i++) {
		reason = unwind_step(unwind_rule_at(s, regs.ip), &regs, unwind_read_window, s);
		if (reason != UNWIND_MORE)
			break;
		if (n >= s->limit) {
			reason = TRUNCATE_DEPTH;
			break;
		}
		frames[n & (UNWIND_FRAMES - 1)] = regs.ip;
		n++;
		hash = unwind_hash(hash, regs.ip);
	}
	w->regs = regs;
	w->hash = hash;
	s->n = n;
	if (reason == UNWIND_MORE)
		return 0;
	s->reason = reason;
	return 1;
}

/* Adds the user frames from `regs` on behind the n frames already there, at most ABI_USER_FRAMES;
 * s->reason says how it ended. The first one is added before anything is tested. */
static __always_inline u64 unwind_user(
	struct unwind_scratch *s, u64 *frames, const struct unwind_regs *regs, u64 hash)
{
	struct unwind_walk w = { .regs = *regs, .scratch = s, .frames = frames };

	s->window_at = 0;
	s->limit = s->n + ABI_USER_FRAMES;
	s->reason = TRUNCATE_DEPTH;
	w.hash = unwind_hash(hash, regs->ip);
	unwind_push(s, frames, regs->ip);
	bpf_loop(ABI_USER_FRAMES / UNWIND_PER_CALLBACK + 1, unwind_callback, &w, 0);
	return w.hash;
}

#endif
