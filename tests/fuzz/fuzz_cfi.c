/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: image base
/*
 * Unwind tables of any bytes. Byte 0 tells what the rest is: an ELF file, or .eh_frame,
 * .debug_frame, .eh_frame_hdr and what is behind it, or a pclntab, which are put into a file of one
 * executable segment at 4 MiB that holds them. A table has to be in order, and no bigger than its
 * file allows.
 */
#include <stdlib.h>
#include <string.h>
#include "image/goinfo.h"
#include "image/pcsp.h"
#include "image/unwind_table.h"

#define BASE 0x400000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct unwind_table *t, size_t n)
{
	uint64_t last = 0;

	if (t->n_rows < 2 || t->n_rows > 2 * n + 64 || t->n_rules > t->n_rows + 2 ||
		t->index[0] != 1 || t->index[t->n_pages] != t->n_rows || t->rows[0] != 0)
		abort();
	for (uint32_t p = 0; p < t->n_pages; p++) {
		for (uint32_t i = t->index[p]; i < t->index[p + 1]; i++) {
			uint64_t at = ((uint64_t)p << 12) + (t->rows[i] >> UNWIND_ROW_SHIFT);
			uint32_t id = t->rows[i] & UNWIND_ROW_RULE;

			if ((i > 1 && at <= last) || id >= t->n_rules ||
				unwind_table_lookup(t, t->base + at) != &t->rules[id])
				abort();
			last = at;
		}
	}
}

static void build(const struct elf *e, const struct elf *debug, size_t n)
{
	struct unwind_table t;

	if (unwind_table_build(e, debug, UNWIND_TABLE_MAX_ROWS, &t) == 0) {
		check(&t, n);
		unwind_table_deinit(&t);
	}
	/* Few rows: what there is has to be in order all the same. */
	if (unwind_table_build(e, debug, 5, &t) == 0) {
		check(&t, n);
		if (t.n_rows > 5)
			abort();
		unwind_table_deinit(&t);
	}
}

static int ignore(void *context, uint64_t pc, struct unwind_rule_entry rule)
{
	uint64_t *last = context;

	(void)rule;
	if (pc < *last)
		abort();
	*last = pc;
	return 0;
}

static void go(const struct elf *e)
{
	struct goinfo info = { .version = "go1.19", .minor = 19 };
	struct pclntab t;

	if (pclntab_init(&t, e, &info) < 0)
		return;
	for (uint64_t i = 0; i < pcsp_count(&t) && i < 64; i++) {
		uint64_t last = 0, start, end, broken;

		if (pcsp_range(&t, i, &start, &end))
			(void)pcsp_run(
				&t, i, start + (end - start) % 65536, ignore, &last, &broken);
	}
	pclntab_deinit(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = { "", ".eh_frame", ".debug_frame", "", "" };
	struct elf_segment segments[] = {
		{ .type = PT_LOAD, .flags = PF_R | PF_X, .vaddr = BASE },
		{ .type = PT_GNU_EH_FRAME, .vaddr = BASE },
	};
	struct elf_section section = { .type = SHT_PROGBITS, .addr = BASE };
	struct elf e;
	unsigned kind;

	if (n < 2)
		return 0;
	kind = data[0] % 5;
	data++;
	n--;
	if (kind == 0) {
		if (elf_init(&e, data, n) == 0) {
			build(&e, &e, n);
			elf_deinit(&e);
		}
		return 0;
	}
	segments[0].filesz = segments[0].memsz = n;
	section.name = names[kind];
	section.size = n;
	e = (struct elf){ .data = data,
		.n = n,
		.type = ET_DYN,
		.machine = EM_X86_64,
		.segments = segments,
		.n_segments = kind == 3 ? 2 : 1,
		.sections = &section,
		.n_sections = kind < 3 };
	if (kind == 4)
		go(&e);
	else
		build(&e, NULL, n);
	return 0;
}
