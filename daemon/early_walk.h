/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a user stack on this side, by the step that the programs use, in the window of the
 * stack that came with the sample. Pure.
 */
#ifndef PROFD_EARLY_WALK_H
#define PROFD_EARLY_WALK_H

#include <stddef.h>
#include "bpf/abi.h"

/* The rule at a pc, as a word (bpf/unwind_step.h). */
typedef uint64_t (*early_rule_fn)(void *userdata, uint64_t pc);

/* Writes the frames, leaf first, as a sample_record has them: at least one, at most
 * ABI_USER_FRAMES. `bytes` are window->bytes bytes of the stack. Returns how many; *ret_reason says
 * how it ended. */
size_t early_walk(const struct stack_window *window, const uint8_t *bytes, early_rule_fn rule,
	void *userdata, uint64_t frames[ABI_USER_FRAMES], enum truncate_reason *ret_reason);

#endif
