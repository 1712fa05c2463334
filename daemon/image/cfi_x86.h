/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of unwind tables is x86-64: register numbers (psABI x86-64, figure 3.36), the rule that a
 * state of call frame information comes to, the look of padding and of a signal trampoline.
 */
#ifndef PROFD_IMAGE_CFI_X86_H
#define PROFD_IMAGE_CFI_X86_H

#include "bpf/unwind_rules.h"
#include "image/cfi.h"

/* mov $15, %rax; syscall: how a signal handler returns, on every libc and in Go. */
#define CFI_X86_SIGRETURN   "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05"
#define CFI_X86_SIGRETURN_N 9

extern const struct cfi_machine cfi_x86;

/* Never fails: what cannot be expressed is UNWIND_CFA_UNKNOWN and why. */
struct unwind_rule_entry cfi_x86_rule(
	const struct cfi *c, const struct cfi_cie *cie, const struct cfi_state *s);
/* Needs rbx, which callees save, to find its CFA: the rules of the same file are to tell what
 * becomes of rbx. */
bool cfi_x86_needs_kept(struct unwind_rule_entry rule);
/* The rule with that told, where it can be. */
struct unwind_rule_entry cfi_x86_keeping(struct unwind_rule_entry rule, const struct cfi_state *s);
struct unwind_rule_entry cfi_x86_unknown(enum unwind_unknown why);
/* True where the bytes are nothing but what is put between functions. */
bool cfi_x86_is_padding(const uint8_t *p, size_t n);

#endif
