/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind rules of Go's functions out of pclntab's pcsp tables: how far the stack pointer is below
 * the return address at each instruction (Go source: runtime/symtab.go, cmd/internal/obj/pcln.go).
 * They are in every Go program, stripped or not. x86-64.
 *
 * rbp is saved at CFA-16 by every function with a frame (cmd/internal/obj/x86/obj6.go); where the
 * code at the begin of a function does not do so, it is "unknown".
 */
#ifndef PROFD_IMAGE_PCSP_H
#define PROFD_IMAGE_PCSP_H

#include "bpf/unwind_rules.h"
#include "image/pclntab.h"

/* Takes a rule that holds from pc on; negative errno ends the run. */
typedef int (*pcsp_row_fn)(void *context, uint64_t pc, struct unwind_rule_entry rule);

/* Number of functions that can be asked for. */
uint64_t pcsp_count(const struct pclntab *t);
/* The range of the function of that index; false: it has none. */
bool pcsp_range(const struct pclntab *t, uint64_t index, uint64_t *ret_start, uint64_t *ret_end);
/* Its rules from its start up to `end` (exclusive), in order of pc. Time in proportion to the bytes
 * of the range. 0, -EBADMSG: broken from *ret_pc on (written in that case only), or what the
 * function gave. */
int pcsp_run(const struct pclntab *t, uint64_t index, uint64_t end, pcsp_row_fn row, void *context,
	uint64_t *ret_pc);

#endif
