/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of x86-64 code that has no call frame information, read from the code itself: what begins
 * and ends a program or library (crti.o, crtbegin.o, crtn.o) is built without.
 */
#ifndef PROFD_IMAGE_CODE_X86_H
#define PROFD_IMAGE_CODE_X86_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/unwind_rules.h"

#define CODE_X86_MAX_BYTES 512U
#define CODE_X86_MAX_ROWS  128U

struct code_x86_row {
	uint32_t offset; /* rises */
	struct unwind_rule_entry rule;
};

/* The rows of the functions that lie in n bytes, with padding around them. 0: not every instruction
 * is one of the few that are known here, or not every way through them comes to a return. */
uint32_t code_x86_rows(
	const uint8_t *p, size_t n, struct code_x86_row ret[static CODE_X86_MAX_ROWS]);

#endif
