/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk (early_walk.h). The window is the target's own stack and may be anything: addresses
 * wrap, nothing outside of the window is read, and the number of frames is bounded.
 */
#include "early_walk.h"
#include <stdbool.h>
#include <string.h>
#include "bpf/unwind_step.h"

struct memory {
	const struct stack_window *window;
	const uint8_t *bytes;
	bool is_behind; /* something was wanted behind a window that is full */
};

static int read_window(void *memory, uint64_t address, uint64_t *ret_low, uint64_t *ret_high)
{
	struct memory *m = memory;
	uint64_t at = address - m->window->start, n = m->window->bytes;

	if (at < n && n - at >= sizeof(*ret_low)) {
		memcpy(ret_low, m->bytes + at, sizeof(*ret_low));
		*ret_high = 0;
		if (n - at >= 2 * sizeof(*ret_low))
			memcpy(ret_high, m->bytes + at + sizeof(*ret_low), sizeof(*ret_high));
		return 0;
	}
	if (address == m->window->ip - 8 && (m->window->code[0] || m->window->code[1])) {
		*ret_low = m->window->code[0];
		*ret_high = m->window->code[1];
		return 0;
	}
	m->is_behind |= n == ABI_WINDOW_BYTES && at >= n && at < UNWIND_MAX_FRAME_BYTES;
	return -1;
}

size_t early_walk(const struct stack_window *window, const uint8_t *bytes, early_rule_fn rule,
	void *userdata, uint64_t frames[ABI_USER_FRAMES], enum truncate_reason *ret_reason)
{
	struct unwind_regs regs = { .ip = window->ip, .sp = window->sp, .bp = window->bp };
	struct memory memory = { .window = window, .bytes = bytes };
	struct unwind_leaf leaf = { 0 };
	bool is_leaf = true, is_pending = false;
	size_t n = 0;
	int reason;

	memcpy(leaf.registers, window->registers, sizeof(leaf.registers));
	frames[n++] = regs.ip;
	for (;;) {
		uint64_t word = rule(userdata, regs.ip - !is_leaf);

		is_pending |= unwind_rule_cfa(word) == UNWIND_POINTER_PENDING;
		reason = unwind_step(word, &regs, is_leaf, &leaf, read_window, &memory);
		if (reason != UNWIND_MORE && reason != UNWIND_SIGNAL)
			break;
		is_leaf = reason == UNWIND_SIGNAL;
		if (n == ABI_USER_FRAMES) {
			reason = TRUNCATE_DEPTH;
			break;
		}
		frames[n++] = regs.ip + is_leaf;
	}
	if (reason == TRUNCATE_NONE && is_pending)
		reason = TRUNCATE_NO_TABLE_YET;
	if (reason == TRUNCATE_READ_FAULT && memory.is_behind)
		reason = TRUNCATE_WINDOW;
	*ret_reason = (enum truncate_reason)reason;
	return n;
}
