/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * x86-64: everything that knows registers. The rules that depend on them, for unwind_step.h, which
 * includes this; and for the programs, where the kernel keeps a task's user registers.
 */
#ifndef PROFD_BPF_ARCH_X86_H
#define PROFD_BPF_ARCH_X86_H

/* struct ucontext of a signal frame (arch/x86/include/uapi/asm/sigcontext.h): where the registers
 * begin, from rsp in the trampoline. */
#define ARCH_SIGNAL_REGISTERS 40

/* Where a register, by DWARF number, is among those: r8..r15, rdi, rsi, rbp, rbx, rdx, rax, rcx,
 * rsp. */
UNWIND_INLINE __abi_u64 arch_signal_offset(__abi_u64 number)
{
	/* rax rdx rcx rbx rsi rdi rbp rsp, a byte each */
	return number >= 8 ? (number - 8) * 8 : (0x0f0a08090b0e0c0dULL >> number * 8 & 0xff) * 8;
}

/* rax, rdx, rcx, rsi, rdi, r8..r11, by DWARF number: nobody saves them for a caller. Call frame
 * information that needs one above the leaf is of hand-written assembly, whose inner subroutines
 * keep it; so it is what it was at the leaf, as debuggers have it too. Of the others a frame in
 * between may have saved and changed any, which the rules do not tell. */
#define ARCH_SCRATCH_REGISTERS 0x0f37U
#define ARCH_KEPT_REGISTER     3 /* rbx, where the rules do tell */

UNWIND_INLINE int arch_is_known(int is_leaf, const struct unwind_leaf *leaf, __abi_u64 number)
{
	return is_leaf || (ARCH_SCRATCH_REGISTERS >> (number & 15) & 1) ||
	       (number == ARCH_KEPT_REGISTER && leaf->kept_at);
}

UNWIND_INLINE int arch_leaf_register(const struct unwind_regs *r, const struct unwind_leaf *leaf,
	__abi_u64 number, unwind_read_fn read, void *memory, __abi_u64 *ret)
{
	if (number == 6) {
		*ret = r->bp;
	} else if (number == 7) {
		*ret = r->sp;
	} else if (number == ARCH_KEPT_REGISTER && leaf->kept_at) {
		*ret = leaf->kept;
	} else if (leaf->saved_at) {
		return unwind_read_word(
			read, memory, leaf->saved_at + arch_signal_offset(number), ret);
	} else {
		*ret = leaf->registers[number & 15];
	}
	return 0;
}

/* The first and the last instructions of a function with a frame pointer, where rbp is not its own:
 * a leaf there hides its caller from a plain frame pointer step. Only forms that cannot be anything
 * else. UNWIND_MORE, or anything else: not there. */
UNWIND_INLINE int arch_step_edge(struct unwind_regs *r, unwind_read_fn read, void *memory)
{
	__abi_u64 before, code, low, high;

	if (read(memory, r->ip - 8, &before, &code))
		return TRUNCATE_READ_FAULT;
	if ((code & 0xffffffff) == 0xfa1e0ff3) { /* endbr64; push rbp */
		if ((code >> 32 & 0xffffffff) != 0xe5894855)
			return TRUNCATE_NO_RULE;
		code = 0xe5894855;
	}
	/* ret, repz ret; push rbp; mov rbp, rsp: the return address is on top. */
	if ((code & 0xff) == 0xc3 || (code & 0xffff) == 0xc3f3 ||
		(code & 0xffffffff) == 0xe5894855) {
		if (read(memory, r->sp, &low, &high))
			return TRUNCATE_READ_FAULT;
		return low ? unwind_up(r, low, r->sp + 8, r->bp) : TRUNCATE_NO_RULE;
	}
	/* mov rbp, rsp behind push rbp; pop rbp before ret: rbp of the caller is on top. */
	if (((code & 0xffffff) == 0xe58948 && before >> 56 == 0x55) || (code & 0xffff) == 0xc35d) {
		if (read(memory, r->sp, &low, &high))
			return TRUNCATE_READ_FAULT;
		return high ? unwind_up(r, high, r->sp + 16, low) : TRUNCATE_NO_RULE;
	}
	return TRUNCATE_NO_RULE;
}

/* glibc's clone() and clone3() end their call frame information before the system call, as the
 * child comes back from it on a stack of its own. Behind it: test rax, rax; jl; je over the ret;
 * ret. The parent's caller, TRUNCATE_NONE for the child, which begins here, or anything else. */
UNWIND_INLINE int arch_step_clone(
	struct unwind_regs *r, const struct unwind_leaf *leaf, unwind_read_fn read, void *memory)
{
	__abi_u64 before = 0, code = 0, low, high, rax;

	if (read(memory, r->ip - 8, &before, &code))
		return TRUNCATE_READ_FAULT;
	if ((before >> 48 == 0x050f && (code & 0xffffff00ffffffff) == 0xc30174007cc08548) ||
		(before >> 24 == 0xc08548050f && (code & 0xffffff00ff) == 0xc30174007c) ||
		((before >> 8 & 0xffffffffffff) == 0x7cc08548050f &&
			(code & 0xffffff) == 0xc30174)) {
		if (arch_leaf_register(r, leaf, 0, read, memory, &rax))
			return TRUNCATE_READ_FAULT;
		if (rax == 0)
			return TRUNCATE_NONE;
	} else if ((code & 0xffffffffffff) != 0x7cc08548050f || code >> 56 != 0x74) {
		return TRUNCATE_NO_RULE;
	}
	if (read(memory, r->sp, &low, &high))
		return TRUNCATE_READ_FAULT;
	return low ? unwind_up(r, low, r->sp + 8, r->bp) : TRUNCATE_NO_RULE;
}

/* rsp, rip and rbp of what a signal interrupted. It may run on another stack. */
UNWIND_INLINE int arch_step_signal(
	struct unwind_regs *r, struct unwind_leaf *leaf, unwind_read_fn read, void *memory)
{
	__abi_u64 at = r->sp, sp, ip, bp;
	int up;

	if (unwind_read_word(read, memory, at + UNWIND_SIGRET_BP, &bp) ||
		read(memory, at + UNWIND_SIGRET_SP, &sp, &ip))
		return TRUNCATE_READ_FAULT;
	leaf->saved_at = at + ARCH_SIGNAL_REGISTERS;
	up = unwind_up(r, ip, sp, bp);
	/* A jump through a null pointer: the frame is there, only its code is not. */
	if (up == TRUNCATE_NONE)
		return TRUNCATE_BAD_RETURN;
	return up == UNWIND_MORE ? UNWIND_SIGNAL : up;
}

/* The CFA by a rule. UNWIND_MORE, or why there is none. */
UNWIND_INLINE int arch_cfa(__abi_u64 rule, const struct unwind_regs *r, int is_leaf,
	const struct unwind_leaf *leaf, unwind_read_fn read, void *memory, __abi_u64 *ret)
{
	__abi_u64 kind = unwind_rule_cfa(rule), base;
	long long offset = unwind_rule_cfa_offset(rule);
	long long inner = (short)offset, outer = offset >> 16;

	switch (kind) {
	case UNWIND_CFA_RSP:
		*ret = r->sp + offset;
		return UNWIND_MORE;
	case UNWIND_CFA_RBP:
		if (r->bp == UNWIND_LOST)
			return TRUNCATE_REGISTER_LOST;
		*ret = r->bp + offset;
		return UNWIND_MORE;
	case UNWIND_CFA_RSP_KEEPS:
		*ret = r->sp + inner;
		return UNWIND_MORE;
	case UNWIND_CFA_RBP_KEEPS:
		if (r->bp == UNWIND_LOST)
			return TRUNCATE_REGISTER_LOST;
		*ret = r->bp + inner;
		return UNWIND_MORE;
	case UNWIND_CFA_PLT:
		*ret = r->sp + (offset & 0xff) +
		       ((r->ip & 15) >= (__abi_u64)(offset >> 8 & 0xff) ? 8 : 0);
		return UNWIND_MORE;
	case UNWIND_CFA_DEREF_RBP:
		if (r->bp == UNWIND_LOST)
			return TRUNCATE_REGISTER_LOST;
		base = r->bp + inner;
		break;
	case UNWIND_CFA_DEREF_RSP:
		base = r->sp + inner;
		break;
	default:
		switch (kind & ~0xfULL) {
		case UNWIND_CFA_LEAF:
		case UNWIND_CFA_LEAF_INDEX:
			if (!arch_is_known(is_leaf, leaf, UNWIND_LEAF_REG(kind)))
				return TRUNCATE_REGISTER_LOST;
			if (arch_leaf_register(r, leaf, UNWIND_LEAF_REG(kind), read, memory, &base))
				return TRUNCATE_READ_FAULT;
			if ((kind & ~0xfULL) == UNWIND_CFA_LEAF) {
				*ret = base + offset;
				return UNWIND_MORE;
			}
			base = r->sp + 8 * base + inner;
			break;
		case UNWIND_CFA_LEAF_RA:
			*ret = r->sp + offset;
			return UNWIND_MORE;
		default:
			return TRUNCATE_CFI_UNKNOWN;
		}
	}
	if (unwind_read_word(read, memory, base, &base))
		return TRUNCATE_READ_FAULT;
	*ret = base + outer;
	return UNWIND_MORE;
}

/* rbp of the caller. UNWIND_MORE, or why the walk ends. */
UNWIND_INLINE int arch_bp(__abi_u64 rule, const struct unwind_regs *r, int is_leaf,
	const struct unwind_leaf *leaf, __abi_u64 cfa, unwind_read_fn read, void *memory,
	__abi_u64 *ret)
{
	__abi_u64 kind = unwind_rule_bp(rule), at;
	long long offset = unwind_rule_bp_offset(rule);

	switch (kind) {
	case UNWIND_BP_SAME:
		*ret = r->bp;
		return UNWIND_MORE;
	case UNWIND_BP_AT_CFA:
		at = cfa + offset;
		break;
	case UNWIND_BP_AT_RBP:
		if (r->bp == UNWIND_LOST) {
			*ret = UNWIND_LOST;
			return UNWIND_MORE;
		}
		at = r->bp + offset;
		break;
	case UNWIND_BP_AT_RSP:
		at = r->sp + offset;
		break;
	case UNWIND_BP_IS_CFA:
		*ret = cfa + offset;
		return UNWIND_MORE;
	default:
		*ret = UNWIND_LOST;
		if ((kind & ~0xfULL) == UNWIND_BP_LEAF &&
			arch_is_known(is_leaf, leaf, UNWIND_LEAF_REG(kind)) &&
			arch_leaf_register(r, leaf, UNWIND_LEAF_REG(kind), read, memory, ret))
			return TRUNCATE_READ_FAULT;
		return UNWIND_MORE;
	}
	return unwind_read_word(read, memory, at, ret) ? TRUNCATE_READ_FAULT : UNWIND_MORE;
}

/* The caller's rbx, by a rule that tells. 0, or it cannot be read. */
UNWIND_INLINE int arch_keep(__abi_u64 rule, const struct unwind_regs *r, int is_leaf,
	struct unwind_leaf *leaf, __abi_u64 cfa, unwind_read_fn read, void *memory)
{
	long long outer = unwind_rule_cfa_offset(rule) >> 16;
	__abi_u64 value;

	if (outer == 0 && !arch_is_known(is_leaf, leaf, ARCH_KEPT_REGISTER))
		return 0;
	if (outer ? unwind_read_word(read, memory, cfa + outer, &value)
		  : arch_leaf_register(r, leaf, ARCH_KEPT_REGISTER, read, memory, &value))
		return -1;
	leaf->kept = value;
	leaf->kept_at = cfa;
	return 0;
}

UNWIND_INLINE int arch_step(__abi_u64 rule, struct unwind_regs *r, int is_leaf,
	struct unwind_leaf *leaf, unwind_read_fn read, void *memory)
{
	__abi_u64 kind = unwind_rule_cfa(rule), cfa, bp, ip;
	int reason;

	if (kind == UNWIND_CFA_SIGRET)
		return arch_step_signal(r, leaf, read, memory);
	if (kind == UNWIND_CFA_SWITCH || kind == UNWIND_CFA_SWITCH_SKIP) {
		if (r->bp == UNWIND_LOST)
			return TRUNCATE_REGISTER_LOST;
		/* The other stack may lie anywhere. */
		return unwind_step_pointer(r, ~0ULL, read, memory);
	}
	reason = arch_cfa(rule, r, is_leaf, leaf, read, memory, &cfa);
	if (reason != UNWIND_MORE)
		return reason;
	if ((kind & ~0xfULL) == UNWIND_CFA_LEAF_RA) {
		/* The return address was popped, so the frame may be empty. */
		if (!is_leaf)
			return TRUNCATE_REGISTER_LOST;
		if (cfa - r->sp > UNWIND_MAX_FRAME_BYTES)
			return TRUNCATE_BAD_CFA;
	} else if (cfa - r->sp - 1 >= UNWIND_MAX_FRAME_BYTES) {
		return !is_leaf && kind >= UNWIND_CFA_LEAF ? TRUNCATE_REGISTER_LOST
							   : TRUNCATE_BAD_CFA;
	}
	/* Registers first: they lie lower, and what is read first is where a copy of the stack
	 * begins. */
	if ((kind == UNWIND_CFA_RSP_KEEPS || kind == UNWIND_CFA_RBP_KEEPS) &&
		arch_keep(rule, r, is_leaf, leaf, cfa, read, memory))
		return TRUNCATE_READ_FAULT;
	reason = arch_bp(rule, r, is_leaf, leaf, cfa, read, memory, &bp);
	if (reason != UNWIND_MORE)
		return reason;
	if ((kind & ~0xfULL) == UNWIND_CFA_LEAF_RA) {
		if (arch_leaf_register(r, leaf, UNWIND_LEAF_REG(kind), read, memory, &ip))
			return TRUNCATE_READ_FAULT;
	} else if (unwind_read_word(read, memory, cfa - 8, &ip)) {
		return TRUNCATE_READ_FAULT;
	}
	return unwind_up(r, ip, cfa, bp);
}

UNWIND_INLINE int arch_step_fast(
	__abi_u64 rule, struct unwind_regs *r, unwind_read_fn read, void *memory)
{
	__abi_u64 kind = unwind_rule_cfa(rule), cfa, bp, ip, unused;

	if (kind == UNWIND_CFA_RSP)
		cfa = r->sp + unwind_rule_cfa_offset(rule);
	else if (kind == UNWIND_CFA_RBP || kind == UNWIND_CFA_NONE ||
		 kind == UNWIND_POINTER_PLAIN || kind == UNWIND_POINTER_CODE)
		cfa = r->bp + unwind_rule_cfa_offset(rule);
	else
		return 0;
	/* A frame pointer that is lost, or 0, fails here. */
	if (cfa - r->sp - 1 >= UNWIND_MAX_FRAME_BYTES || cfa >= UNWIND_MAX_ADDRESS)
		return 0;
	if ((rule >> 8 & 0xffffff) == (UNWIND_BP_AT_CFA | (-16 & 0xffff) << 8)) {
		if (read(memory, cfa - 16, &bp, &ip))
			return 0;
	} else if (unwind_rule_bp(rule) == UNWIND_BP_SAME) {
		bp = r->bp;
		if (read(memory, cfa - 16, &unused, &ip))
			return 0;
	} else if (unwind_rule_bp(rule) == UNWIND_BP_AT_CFA) {
		if (unwind_read_word(read, memory, cfa + unwind_rule_bp_offset(rule), &bp) ||
			read(memory, cfa - 16, &unused, &ip))
			return 0;
	} else {
		return 0;
	}
	if (ip - UNWIND_MIN_ADDRESS >= UNWIND_MAX_ADDRESS - UNWIND_MIN_ADDRESS)
		return 0;
	r->ip = ip;
	r->sp = cfa;
	r->bp = bp;
	return 1;
}

/* The rule that a frame pointer stands for. */
#define ARCH_RULE_POINTER(kind) UNWIND_RULE(kind, UNWIND_BP_AT_CFA, -16, 16)

#ifdef __bpf__

/* x86-64 pt_regs as it lies in memory and as the context of a perf event program shows it. This
 * layout is kernel ABI (ptrace, perf), so it is not relocated. */
struct user_regs {
	__abi_u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax;
	__abi_u64 ip, cs, flags, sp, ss;
};

#define USER32_CS 0x23 /* arch/x86/include/asm/segment.h: __USER32_CS */

/* Each register is loaded by itself: of a context, merged pointers and other widths are refused. */
#define ARCH_LOAD(regs, name)	(*(volatile __abi_u64 *)&(regs)->name)
#define ARCH_REGS_IN_USER(regs) ((ARCH_LOAD(regs, cs) & 3) == 3)

#define ARCH_REGS_READ(regs, walk, leaf, ret_cs)    \
	do {                                        \
		__abi_u64 *to_ = (leaf)->registers; \
		to_[0] = ARCH_LOAD(regs, ax);       \
		to_[1] = ARCH_LOAD(regs, dx);       \
		to_[2] = ARCH_LOAD(regs, cx);       \
		to_[3] = ARCH_LOAD(regs, bx);       \
		to_[4] = ARCH_LOAD(regs, si);       \
		to_[5] = ARCH_LOAD(regs, di);       \
		to_[8] = ARCH_LOAD(regs, r8);       \
		to_[9] = ARCH_LOAD(regs, r9);       \
		to_[10] = ARCH_LOAD(regs, r10);     \
		to_[11] = ARCH_LOAD(regs, r11);     \
		to_[12] = ARCH_LOAD(regs, r12);     \
		to_[13] = ARCH_LOAD(regs, r13);     \
		to_[14] = ARCH_LOAD(regs, r14);     \
		to_[15] = ARCH_LOAD(regs, r15);     \
		(leaf)->saved_at = 0;               \
		(walk)->bp = ARCH_LOAD(regs, bp);   \
		(walk)->sp = ARCH_LOAD(regs, sp);   \
		(walk)->ip = ARCH_LOAD(regs, ip);   \
		*(ret_cs) = ARCH_LOAD(regs, cs);    \
	} while (0)

#endif

#endif
