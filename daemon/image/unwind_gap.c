/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing. The code is a target's: of a gap at most MAX_SEARCHED bytes are read, and only what
 * cannot be anything else is given a rule.
 */
#include "image/unwind_gap.h"

#include <string.h>
#include "image/cfi_x86.h"
#include "image/code_x86.h"

#define ALIGNMENT    16U	/* of functions, at least */
#define ENTRY_BYTES  128U	/* of code at the entry that may say nothing about itself */
#define MAX_SEARCHED (1U << 20) /* bytes of a gap that are searched for a trampoline */

static const struct unwind_rule_entry none = { 0 };

/* The signal trampolines in [start, end). The return address into one is its begin, and is looked
 * up by the byte before. */
static int add_trampolines(const struct unwind_gaps *g, uint64_t start, uint64_t end)
{
	static const struct unwind_rule_entry trampoline = { UNWIND_CFA_SIGRET, 0, 0, 0 };
	uint64_t at = start;
	const uint8_t *p, *found;
	size_t n;
	int r;

	while (at < end && (p = elf_at_vaddr(g->elf, at, &n))) {
		n = MIN(n, end - at);
		found = memmem(p, n, CFI_X86_SIGRETURN, CFI_X86_SIGRETURN_N);
		if (!found)
			return 0;
		at += (uint64_t)(found - p);
		r = unwind_rows_add(g->rows, at - 1, trampoline);
		at += CFI_X86_SIGRETURN_N;
		if (r == 0)
			r = unwind_rows_add(g->rows, at, none);
		if (r < 0)
			return r;
		g->stats->trampolines++;
	}
	return 0;
}

/* 1: all of [start, end) is known by its code; 0, or negative errno. */
static int add_known(const struct unwind_gaps *g, uint64_t start, uint64_t end)
{
	struct code_x86_row rows[CODE_X86_MAX_ROWS];
	const uint8_t *p;
	uint32_t count;
	size_t n;
	int r;

	p = elf_at_vaddr(g->elf, start, &n);
	if (!p || n < end - start || end - start > CODE_X86_MAX_BYTES)
		return 0;
	count = code_x86_rows(p, end - start, rows);
	for (uint32_t i = 0; i < count; i++) {
		r = unwind_rows_add(g->rows, start + rows[i].offset, rows[i].rule);
		if (r < 0)
			return r;
	}
	if (count == 0)
		return 0;
	g->stats->known_gaps++;
	r = unwind_rows_add(g->rows, end, none);
	return r < 0 ? r : 1;
}

static bool says_something(const struct unwind_gaps *g)
{
	return g->stats->eh_fdes || g->stats->debug_fdes || g->stats->go_functions;
}

static int add_code(const struct unwind_gaps *g, uint64_t start, uint64_t end)
{
	int r = says_something(g) ? add_known(g, start, end) : 0;

	if (r == 0)
		r = add_trampolines(g, start, MIN(end, start + MAX_SEARCHED));
	return MIN(r, 0);
}

static int add_without_entry(const struct unwind_gaps *g, uint64_t start, uint64_t end)
{
	const uint8_t *p;
	size_t n;
	int r;

	if (start >= end)
		return 0;
	/* No function fits there; and pages of code are not read for the sake of padding. */
	if (end - start < ALIGNMENT && end % ALIGNMENT == 0)
		return 0;
	p = elf_at_vaddr(g->elf, start, &n);
	if (end - start <= UNWIND_TABLE_PADDING && p && n >= end - start &&
		cfi_x86_is_padding(p, end - start))
		return 0;
	r = unwind_rows_add(g->rows, start, none);
	for (uint32_t i = 0; i < g->n_spans && r == 0; i++) {
		uint64_t from = MAX(start, g->spans[i].start), to = MIN(end, g->spans[i].end);

		if (from < to)
			r = add_code(g, from, to);
	}
	return r;
}

static uint64_t entry_of(const struct elf *e)
{
	Elf64_Ehdr h;

	if (e->n < sizeof(h))
		return 0;
	memcpy(&h, e->data, sizeof(h));
	return h.e_entry;
}

/* The first code of a program or of the loader is called by nobody, and glibc's loader does not say
 * so. */
int unwind_gap_add(const struct unwind_gaps *g, uint64_t start, uint64_t end)
{
	static const struct unwind_rule_entry first = { UNWIND_CFA_END, 0, 0, 0 };
	uint64_t entry = entry_of(g->elf);
	int r;

	/* A file that says nothing at all goes without a table. */
	if (entry < start || entry >= end || !says_something(g))
		return add_without_entry(g, start, end);
	r = add_without_entry(g, start, entry);
	if (r == 0)
		r = unwind_rows_add(g->rows, entry, first);
	/* Less than a function is not looked at there, and goes on with the entry's rule. */
	return r == 0 ? add_without_entry(g, MIN(entry + ENTRY_BYTES, end), end) : r;
}
