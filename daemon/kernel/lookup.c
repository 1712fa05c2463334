/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule of an address, read from the store by the same layout as the programs read it
 * (bpf/unwind.h), for stacks that are walked on this side. What is in the store was written here.
 */
#include "kernel/internal.h"

#include <string.h>
#include "bpf/unwind_step.h"
#include "kernel/tables.h"

#define PAGE_BYTES (1U << UNWIND_PAGE_SHIFT)

static uint32_t word_at(const struct kernel *k, uint32_t offset)
{
	uint32_t word;

	memcpy(&word, k->tables.store.bytes + offset, sizeof(word));
	return word;
}

uint64_t kernel_table_rule(const struct kernel *k, uint32_t table, uint64_t relative)
{
	struct store_mapping m = tables_mapping(k, table);
	uint64_t page = relative >> UNWIND_PAGE_SHIFT, rule;
	uint32_t low, high, row;

	if (m.index == STORE_INDEX_NONE || page >= m.n_pages || !tables_is_whole(k, table))
		return ARCH_RULE_POINTER(UNWIND_CFA_NONE);
	/* The row before the first one of the page is in force up to there. */
	low = word_at(k, m.index + (uint32_t)page * 4) - 4;
	high = word_at(k, m.index + (uint32_t)page * 4 + 4);
	while (high - low > 4) {
		uint32_t middle = low + (high - low) / 8 * 4;

		if (word_at(k, middle) >> UNWIND_ROW_SHIFT <= (relative & (PAGE_BYTES - 1)))
			low = middle;
		else
			high = middle;
	}
	row = word_at(k, low) & UNWIND_ROW_RULE & (STORE_IDS - 1);
	memcpy(&rule, k->tables.store.bytes + STORE_RULES + row * 8, sizeof(rule));
	return rule;
}
