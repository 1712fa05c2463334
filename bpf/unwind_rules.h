/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * Unwind rows and rules: how the caller of a frame is found at an instruction. Made in user space
 * out of call frame information, followed in BPF and in user space. x86-64.
 *
 * A file's rows are one array sorted by pc, a sentinel of rule 0 in front. Page 0 begins at the
 * lowest executable address of the file, rounded down; a page index of u32[pages + 1] says which
 * rows begin in a page: [index[p], index[p + 1]). The rule at an instruction is that of the last
 * row at or before it; before the first row of a page that is the row before index[p]. Behind the
 * last page there is no rule.
 *
 * A return address is looked up by the byte before it; the ip of a leaf frame by itself. A leaf
 * frame is the first one of a walk, and the one that a signal interrupted (UNWIND_CFA_SIGRET).
 */
#ifndef PROFD_BPF_UNWIND_RULES_H
#define PROFD_BPF_UNWIND_RULES_H

#include "bpf/abi.h"

#define UNWIND_PAGE_SHIFT  12
#define UNWIND_ROW_RULE	   0xfffffU /* bits 0..19 of a row: id of the rule */
#define UNWIND_ROW_SHIFT   20	    /* bits 20..31: offset of the pc in its page */
#define UNWIND_RULE_NONE   0U	    /* id of the rule for "no call frame information" */
#define UNWIND_SIGRET_SP   160	    /* of rsp in a signal frame, from its own rsp; rip follows */
#define UNWIND_SIGRET_BP   120
#define UNWIND_LEAF_REG(k) ((k)&0xfU)

/* How the CFA (the caller's rsp) is found. Unless said otherwise the return address is at CFA-8. */
enum unwind_cfa {
	UNWIND_CFA_NONE = 0, /* no information: a frame pointer may be tried */
	UNWIND_CFA_RSP = 1,  /* rsp + cfa_offset */
	UNWIND_CFA_RBP = 2,  /* rbp + cfa_offset */
	UNWIND_CFA_PLT = 3,  /* rsp + o + ((rip & 15) >= n ? 8 : 0); cfa_offset is n << 8 | o */
	UNWIND_CFA_DEREF_RBP =
		4,		/* *(rbp + inner) + outer; cfa_offset is s16 outer << 16 | inner */
	UNWIND_CFA_SIGRET = 5,	/* signal frame: rsp, rip, rbp as they were; the next is a leaf */
	UNWIND_CFA_END = 6,	/* first frame of a thread */
	UNWIND_CFA_UNKNOWN = 7, /* cannot be followed; cfa_offset is an enum unwind_unknown */
	UNWIND_CFA_DEREF_RSP = 8, /* *(rsp + inner) + outer */
	/* A function of Go's runtime that moves to another stack and keeps rbp: rbp + 16, as by a
	 * frame pointer, but the CFA may be anywhere: it is not compared with rsp. */
	UNWIND_CFA_SWITCH = 9,
	/* The same without a frame of its own: rbp is that of a caller, and what is between is left
	 * out. */
	UNWIND_CFA_SWITCH_SKIP = 10,
	/* Where rules also say what becomes of rbx, for code above that finds its CFA by it: rsp or
	 * rbp + inner; the caller's rbx is at CFA + outer, or the same as here where outer is 0. */
	UNWIND_CFA_RSP_KEEPS = 11,
	UNWIND_CFA_RBP_KEEPS = 12,
	/* By a register of the leaf: good in leaf frames, and for registers that no callee saves in
	 * the frames above them; rbx also there where all rules below keep it. The low four bits
	 * are the DWARF number of the register. */
	UNWIND_CFA_LEAF = 0x10,	      /* register + cfa_offset */
	UNWIND_CFA_LEAF_RA = 0x20,    /* rsp + cfa_offset; the return address is in the register */
	UNWIND_CFA_LEAF_INDEX = 0x30, /* *(rsp + 8 * register + inner) + outer */
};

/* How the caller's rbp is found. */
enum unwind_bp {
	UNWIND_BP_SAME = 0,
	UNWIND_BP_AT_CFA = 1,	 /* *(CFA + bp_offset) */
	UNWIND_BP_AT_RBP = 2,	 /* *(rbp + bp_offset) */
	UNWIND_BP_UNDEFINED = 3, /* it is lost */
	UNWIND_BP_UNKNOWN = 4,	 /* somewhere that cannot be expressed */
	UNWIND_BP_AT_RSP = 5,	 /* *(rsp + bp_offset) */
	UNWIND_BP_IS_CFA = 6,	 /* CFA + bp_offset */
	UNWIND_BP_LEAF =
		0x10, /* in a register, as with UNWIND_CFA_LEAF; the low four bits say which */
};

enum unwind_unknown {
	UNWIND_UNKNOWN_BROKEN = 1, /* the information is not well-formed */
	UNWIND_UNKNOWN_EXPRESSION, /* the CFA by an expression of another form */
	UNWIND_UNKNOWN_REGISTER,   /* the CFA by a register that is not a general one */
	UNWIND_UNKNOWN_RANGE,	   /* an offset does not fit */
	UNWIND_UNKNOWN_RETURN,	   /* the return address elsewhere */
	UNWIND_UNKNOWN_RULES,	   /* the file has too many rules */
	UNWIND_UNKNOWN_COUNT,
};

struct unwind_rule_entry {
	__abi_u8 cfa; /* enum unwind_cfa */
	__abi_u8 bp;  /* enum unwind_bp */
	short bp_offset;
	int cfa_offset;
};
_Static_assert(sizeof(struct unwind_rule_entry) == 8, "unwind rules are part of the BPF ABI");
_Static_assert(sizeof(short) == 2 && sizeof(int) == 4, "fixed-size integers");

#endif
