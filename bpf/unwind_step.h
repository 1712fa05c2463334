/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * One step up a user stack: registers of a frame in, registers of its caller out. Pure: memory
 * comes through a reader, so the step runs in BPF over a copied window of the stack and in user
 * space over saved stacks. What it reads was written by the target and may be anything.
 *
 * x86-64. A rule says how to find the caller; today there is one: the frame pointer's.
 */
#ifndef PROFD_BPF_UNWIND_STEP_H
#define PROFD_BPF_UNWIND_STEP_H

#include "bpf/abi.h"

#define UNWIND_MAX_FRAME_BYTES (8ULL << 20) /* a caller further up than this is not believed */
#define UNWIND_MIN_ADDRESS     4096ULL	    /* nothing is mapped below */
#define UNWIND_MAX_ADDRESS     (1ULL << 56) /* end of user addresses with 5-level page tables */

struct unwind_regs {
	__abi_u64 ip, sp, bp;
};

enum unwind_rule {
	UNWIND_FP, /* CFA = rbp + 16; saved rbp at CFA-16, return address at CFA-8 */
};

/* A step went up one frame, or this was the last: its TRUNCATE_ reason (TRUNCATE_NONE: complete).
 */
#define UNWIND_MORE (-1)

/* Reads two adjacent words at `address`; 0, or anything else where they cannot be read. */
typedef int (*unwind_read_fn)(
	void *memory, __abi_u64 address, __abi_u64 *ret_low, __abi_u64 *ret_high);

/* The first frame of a thread is called with rbp 0 by the ABI's "deepest stack frame" rule (psABI
 * x86-64 3.4.1; glibc's _start and clone clear it), and with no return address above it. A chain
 * that ends in anything else was broken by code that uses rbp for something else. */
static inline __attribute__((always_inline)) int unwind_step_fp(
	struct unwind_regs *r, unwind_read_fn read, void *memory)
{
	__abi_u64 bp = r->bp, caller_bp, caller_ip;

	if (bp == 0)
		return TRUNCATE_NONE;
	if (bp < UNWIND_MIN_ADDRESS)
		return TRUNCATE_FP_END;
	/* With cfa = bp + 16: 0 < cfa - sp <= max, and no wrap, as bp >= sp - 16 + 1 is below max.
	 */
	if (bp >= UNWIND_MAX_ADDRESS || bp + 16 - r->sp - 1 >= UNWIND_MAX_FRAME_BYTES)
		return TRUNCATE_BAD_FRAME;
	if (read(memory, bp, &caller_bp, &caller_ip))
		return TRUNCATE_READ_FAULT;
	if (caller_ip == 0)
		return TRUNCATE_NONE;
	if (caller_ip < UNWIND_MIN_ADDRESS || caller_ip >= UNWIND_MAX_ADDRESS)
		return TRUNCATE_FP_END;
	r->ip = caller_ip;
	r->sp = bp + 16;
	r->bp = caller_bp;
	return UNWIND_MORE;
}

static inline __attribute__((always_inline)) int unwind_step(
	enum unwind_rule rule, struct unwind_regs *r, unwind_read_fn read, void *memory)
{
	switch (rule) {
	case UNWIND_FP:
		return unwind_step_fp(r, read, memory);
	}
	return TRUNCATE_FP_END;
}

/* Hash of a stack, frame by frame, then with who it belongs to. Multiplication spreads upwards
 * only, so the end folds the top down: it is the bits that index the "already sent" filter that
 * must differ between the same stack of two processes. */
static inline __attribute__((always_inline)) __abi_u64 unwind_hash(__abi_u64 h, __abi_u64 v)
{
	h ^= v;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

static inline __attribute__((always_inline)) __abi_u64 unwind_hash_end(__abi_u64 h)
{
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ (h >> 32);
}

#endif
