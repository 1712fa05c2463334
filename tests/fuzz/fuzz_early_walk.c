/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: base
/*
 * A walk in a window of a target's stack: input is a struct stack_window, eight rules (which one is
 * that of a pc is decided by its low bits), then the stack. Whatever they say, it ends, with a
 * number of frames and a reason that there are, and reads nothing but the window.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "early_walk.c"

#define RULES 8

static uint64_t rule_at(void *userdata, uint64_t pc)
{
	const uint64_t *rules = userdata;

	return rules[pc % RULES];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint64_t frames[ABI_USER_FRAMES];
	enum truncate_reason reason = TRUNCATE_COUNT;
	struct stack_window window;
	uint64_t rules[RULES];
	uint8_t *stack;
	size_t walked;

	if (n < sizeof(window) + sizeof(rules))
		return 0;
	memcpy(&window, data, sizeof(window));
	memcpy(rules, data + sizeof(window), sizeof(rules));
	n -= sizeof(window) + sizeof(rules);
	if (n > ABI_WINDOW_BYTES)
		n = ABI_WINDOW_BYTES;
	window.bytes = (uint32_t)n & ~7U;
	/* To the byte, for the sanitizer to see what is read behind it. */
	stack = malloc(window.bytes ? window.bytes : 1);
	if (!stack)
		return 0;
	memcpy(stack, data + sizeof(window) + sizeof(rules), window.bytes);
	walked = early_walk(&window, stack, rule_at, rules, frames, &reason);
	if (walked == 0 || walked > ABI_USER_FRAMES || reason >= TRUNCATE_COUNT)
		abort();
	free(stack);
	return 0;
}
