/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * One step up a user stack: registers of a frame and its rule in, registers of its caller out.
 * Pure: memory comes through a reader, so the step runs in BPF over a copied window of the stack
 * and in user space over saved stacks. What it reads was written by the target and may be anything.
 *
 * Here is what all architectures share; which register a rule means is in the file of each
 * (bpf/arch_x86.h). Two forms: unwind_step() knows every rule and names why a walk ends;
 * unwind_step_fast() knows the common ones and leaves everything odd to the other, with nothing
 * changed.
 */
#ifndef PROFD_BPF_UNWIND_STEP_H
#define PROFD_BPF_UNWIND_STEP_H

#include "bpf/abi.h"
#include "bpf/unwind_rules.h"

#define UNWIND_INLINE static inline __attribute__((always_inline))

#define UNWIND_MAX_FRAME_BYTES (8ULL << 20) /* a caller further up than this is not believed */
#define UNWIND_MIN_ADDRESS     4096ULL	    /* nothing is mapped below */
#define UNWIND_MAX_ADDRESS     (1ULL << 56) /* end of user addresses with 5-level page tables */

/* In place of a register whose value cannot be known; no pointer looks like it. */
#define UNWIND_LOST 0x8000000000000b0bULL

struct unwind_regs {
	__abi_u64 ip, sp, bp;
};

/* The other registers, as they were in the leaf frame that was met last. */
struct unwind_leaf {
	__abi_u64 saved_at; /* user address of a signal frame that holds them; 0: they are here */
	__abi_u64 registers[16]; /* by DWARF number */
	/* rbx of a frame above the leaf, by the rules of those below, and the rsp of that frame;
	 * unwind_step() looks after them. */
	__abi_u64 kept, kept_at;
};

/* A step went up one frame, or up to one that a signal interrupted (a leaf again); else this was
 * the last one and the result its TRUNCATE_ reason (TRUNCATE_NONE: complete). */
#define UNWIND_MORE   (-1)
#define UNWIND_SIGNAL (-2)

/* Kinds of enum unwind_cfa that no table holds: why a frame pointer is followed. */
enum unwind_pointer {
	UNWIND_POINTER_PLAIN = 0xf0,   /* nothing is known of the process */
	UNWIND_POINTER_CODE = 0xf1,    /* code without call frame information */
	UNWIND_POINTER_PENDING = 0xf2, /* its table is not there yet */
	UNWIND_POINTER_NOWHERE = 0xf3, /* in no known mapping */
};

/* Reads two adjacent words at `address`, the higher one as 0 where only the lower one is there; 0,
 * or anything else where they cannot be read. */
typedef int (*unwind_read_fn)(
	void *memory, __abi_u64 address, __abi_u64 *ret_low, __abi_u64 *ret_high);

/* A rule is passed as one word: struct unwind_rule_entry as it lies in memory. */
#define UNWIND_RULE(cfa, bp, bp_offset, cfa_offset)                                               \
	((__abi_u64)(cfa) | (__abi_u64)(bp) << 8 | (__abi_u64)(unsigned short)(bp_offset) << 16 | \
		(__abi_u64)(cfa_offset) << 32)
UNWIND_INLINE __abi_u64 unwind_rule_cfa(__abi_u64 rule)
{
	return rule & 0xff;
}
UNWIND_INLINE __abi_u64 unwind_rule_bp(__abi_u64 rule)
{
	return rule >> 8 & 0xff;
}
UNWIND_INLINE long long unwind_rule_bp_offset(__abi_u64 rule)
{
	return (long long)(rule << 32) >> 48;
}
UNWIND_INLINE long long unwind_rule_cfa_offset(__abi_u64 rule)
{
	return (long long)rule >> 32;
}

UNWIND_INLINE int unwind_read_word(
	unwind_read_fn read, void *memory, __abi_u64 address, __abi_u64 *ret)
{
	__abi_u64 high;

	return read(memory, address, ret, &high);
}

/* The first frame of a thread is called with rbp 0 by the ABI's "deepest stack frame" rule (psABI
 * x86-64 3.4.1; glibc's _start and clone clear it), and with no return address above it. A chain
 * that ends in anything else was broken by code that uses rbp for something else. */
UNWIND_INLINE int unwind_step_pointer(
	struct unwind_regs *r, __abi_u64 max_frame, unwind_read_fn read, void *memory)
{
	__abi_u64 bp = r->bp, caller_bp, caller_ip;

	if (bp == 0)
		return TRUNCATE_NONE;
	if (bp < UNWIND_MIN_ADDRESS)
		return TRUNCATE_FP_END;
	/* With cfa = bp + 16: 0 < cfa - sp <= max, and no wrap, as bp >= sp - 16 + 1 is below max.
	 */
	if (bp >= UNWIND_MAX_ADDRESS || bp + 16 - r->sp - 1 >= max_frame)
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

/* The caller's registers are known but for the return address: tests and sets them. */
UNWIND_INLINE int unwind_up(struct unwind_regs *r, __abi_u64 ip, __abi_u64 sp, __abi_u64 bp)
{
	if (ip == 0)
		return TRUNCATE_NONE;
	if (ip < UNWIND_MIN_ADDRESS || ip >= UNWIND_MAX_ADDRESS)
		return TRUNCATE_BAD_RETURN;
	r->ip = ip;
	r->sp = sp;
	r->bp = bp;
	return UNWIND_MORE;
}

#include "bpf/arch_x86.h"

/* Follows the frame pointer for want of a rule. Where that is a guess only, the reason says what
 * was missing, and a frame pointer of 0, which any code may hold for a number, ends nothing. */
UNWIND_INLINE int unwind_step_guess(__abi_u64 kind, struct unwind_regs *r, int is_leaf,
	const struct unwind_leaf *leaf, unwind_read_fn read, void *memory)
{
	int missing = kind == UNWIND_CFA_NONE	       ? TRUNCATE_NO_RULE
		      : kind == UNWIND_POINTER_NOWHERE ? TRUNCATE_NO_MAPPING
		      : kind == UNWIND_POINTER_PENDING ? TRUNCATE_NO_TABLE_YET
						       : TRUNCATE_NONE;
	int reason;

	if (is_leaf) {
		if (arch_step_edge(r, read, memory) == UNWIND_MORE)
			return UNWIND_MORE;
		reason = arch_step_clone(r, leaf, read, memory);
		if (reason == UNWIND_MORE || reason == TRUNCATE_NONE)
			return reason;
	}
	if (r->bp == UNWIND_LOST)
		return TRUNCATE_REGISTER_LOST;
	if (r->bp == 0)
		return missing;
	reason = unwind_step_pointer(r, UNWIND_MAX_FRAME_BYTES, read, memory);
	if (reason == UNWIND_MORE || reason == TRUNCATE_NONE || missing == TRUNCATE_NONE)
		return reason;
	return missing;
}

UNWIND_INLINE int unwind_step(__abi_u64 rule, struct unwind_regs *r, int is_leaf,
	struct unwind_leaf *leaf, unwind_read_fn read, void *memory)
{
	__abi_u64 kind = unwind_rule_cfa(rule);

	/* Of another frame, or of a walk before this one. */
	if (is_leaf || leaf->kept_at != r->sp)
		leaf->kept_at = 0;
	if (kind == UNWIND_CFA_NONE || kind >= UNWIND_POINTER_PLAIN)
		return unwind_step_guess(kind, r, is_leaf, leaf, read, memory);
	if (kind == UNWIND_CFA_END)
		return TRUNCATE_NONE;
	if (kind == UNWIND_CFA_UNKNOWN) {
		__abi_u64 what = unwind_rule_cfa_offset(rule) - UNWIND_UNKNOWN_BROKEN;

		return what < UNWIND_UNKNOWN_COUNT - UNWIND_UNKNOWN_BROKEN
			       ? (int)(TRUNCATE_CFI_BROKEN + what)
			       : TRUNCATE_CFI_UNKNOWN;
	}
	return arch_step(rule, r, is_leaf, leaf, read, memory);
}

/* 1: went up one frame, which is no leaf, as unwind_step() would have; 0: nothing is changed. Not
 * for leaf frames. */
UNWIND_INLINE int unwind_step_fast(
	__abi_u64 rule, struct unwind_regs *r, unwind_read_fn read, void *memory)
{
	return arch_step_fast(rule, r, read, memory);
}

/* Hash of a stack, frame by frame, then with who it belongs to. Multiplication spreads upwards
 * only, so the end folds the top down: it is the bits that index the "already sent" filter that
 * must differ between the same stack of two processes. */
UNWIND_INLINE __abi_u64 unwind_hash(__abi_u64 h, __abi_u64 v)
{
	h ^= v;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

UNWIND_INLINE __abi_u64 unwind_hash_end(__abi_u64 h)
{
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ (h >> 32);
}

#endif
