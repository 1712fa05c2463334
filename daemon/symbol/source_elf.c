/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of an ELF file's code: Go functions from its pclntab; all else from DWARF, .symtab and
 * .dynsym of the file and of the debug file that belongs to it; where nothing has a name, the
 * function's start from .eh_frame_hdr.
 *
 * A debug file is used only when its build-id is the file's, or, where one of them has none, when
 * its checksum is the debuglink's. The dwz file must have the build-id that the file naming it
 * gives.
 */
#include "symbol/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "image/dwarf.h"
#include "image/ehframe.h"
#include "image/elf.h"
#include "image/pclntab.h"
#include "image/symtab.h"

DEFINE_CLEANUP(struct debug_info *, debug_info_free)

static bool has_dwarf(const struct elf *e)
{
	static const char *const names[] = { ".debug_info", ".zdebug_info" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct elf_section *s = elf_find_section(e, names[i], SHT_NULL);

		if (s && elf_section_has_bytes(e, s))
			return true;
	}
	return false;
}

static bool has_symtab(const struct elf *e)
{
	const struct elf_section *s = elf_find_section(e, NULL, SHT_SYMTAB);

	return s && elf_section_has_bytes(e, s);
}

static void open_alt(
	const struct symbol_request *q, const int *fds, const struct elf *e, struct source_elf *ret)
{
	uint8_t wanted[ELF_MAX_BUILD_ID], id[ELF_MAX_BUILD_ID];
	size_t wanted_n;

	if (!elf_altlink(e, wanted, &wanted_n))
		return;
	for (uint32_t i = 0; i < q->n_alt; i++) {
		struct source_elf f = { 0 };

		if (source_elf_open(&f, fds[1 + q->n_debug + i]) == 0 &&
			elf_build_id(&f.elf, id) == wanted_n && memcmp(id, wanted, wanted_n) == 0) {
			*ret = f;
			return;
		}
		source_elf_close(&f);
	}
}

/* ---- identify ---- */

static void keep_link(char out[SYMBOL_MAX_LINK], const char *name)
{
	if (name && strlen(name) < SYMBOL_MAX_LINK)
		memcpy(out, name, strlen(name) + 1);
}

static void keep_segments(const struct elf *e, struct symbol_identity *ret)
{
	for (uint32_t i = 0; i < e->n_segments && ret->n_segments < SYMBOL_MAX_SEGMENTS; i++) {
		const struct elf_segment *s = &e->segments[i];

		if (s->type != PT_LOAD || !(s->flags & PF_X))
			continue;
		ret->segments[ret->n_segments].offset = s->offset;
		ret->segments[ret->n_segments].vaddr = s->vaddr;
		ret->segments[ret->n_segments].size = s->filesz;
		ret->n_segments++;
	}
}

int source_elf_identify(const struct symbol_request *q, const int *fds, struct symbol_identity *ret)
{
	CLEANUP(source_elf_close) struct source_elf file = { 0 }, debug = { 0 };
	struct goinfo go;
	const struct elf *with_dwarf;
	uint32_t crc;
	size_t n = 0;
	int index, r;

	r = source_elf_open(&file, fds[0]);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->build_id_n = (uint32_t)elf_build_id(&file.elf, ret->build_id);
	keep_link(ret->debuglink, elf_debuglink(&file.elf, &crc));
	keep_segments(&file.elf, ret);
	if (goinfo_read(&file.elf, &go) == 0)
		memcpy(ret->runtime, go.version, sizeof(ret->runtime));
	index = source_elf_open_debug(&file.elf, fds + 1, q->n_debug, &debug);
	ret->debug = index < 0 ? UINT32_MAX : (uint32_t)index;
	ret->has_dwarf = has_dwarf(&file.elf) || (index >= 0 && has_dwarf(&debug.elf));
	ret->has_symtab = has_symtab(&file.elf) || (index >= 0 && has_symtab(&debug.elf));
	with_dwarf = has_dwarf(&file.elf) || index < 0 ? &file.elf : &debug.elf;
	keep_link(ret->altlink, elf_altlink(with_dwarf, ret->alt_id, &n));
	ret->alt_id_n = (uint32_t)n;
	return 0;
}

/* ---- symbolize ---- */

struct tables {
	struct source_elf file, debug, alt;
	struct goinfo go;
	struct pclntab pclntab;
	struct symtab symtabs[3];
	size_t n_symtabs;
	struct ehframe ehframe;
	bool has_ehframe, has_pclntab;
};

static void tables_deinit(struct tables *t)
{
	for (size_t i = 0; i < t->n_symtabs; i++)
		symtab_deinit(&t->symtabs[i]);
	if (t->has_pclntab)
		pclntab_deinit(&t->pclntab);
	source_elf_close(&t->alt);
	source_elf_close(&t->debug);
	source_elf_close(&t->file);
}

static bool add_symtab(struct tables *t, const struct elf *e, uint32_t type)
{
	if (!e->data || symtab_init(&t->symtabs[t->n_symtabs], e, type) < 0)
		return false;
	t->n_symtabs++;
	return true;
}

static const struct symtab_symbol *find_symbol(const struct tables *t, uint64_t vaddr)
{
	for (size_t i = 0; i < t->n_symtabs; i++) {
		const struct symtab_symbol *s = symtab_lookup(&t->symtabs[i], vaddr);

		if (s)
			return s;
	}
	return NULL;
}

static void add_debug_lines(struct answer *answer, const struct debug_info *info,
	const struct debug_address *a, const struct symtab_symbol *symbol)
{
	const struct debug_frame *frames = debug_info_frames(info, a);

	for (uint32_t i = 0; i < a->n; i++) {
		const struct debug_frame *f = &frames[i];
		const char *name = f->linkage_name ? f->linkage_name : f->name;

		/* Without a linkage name, the outermost function's symbol has its full name. */
		if (i + 1 == a->n && !f->linkage_name && symbol)
			name = symbol->name;
		if (!name)
			name = "";
		answer_add_line(answer, name, strnlen(name, LIMIT_SYMBOL_NAME + 1), f->name,
			f->file, f->line, f->start_line);
	}
}

static int add_go(struct answer *answer, const struct tables *t, uint64_t vaddr)
{
	struct pclntab_frame frames[LIMIT_INLINE_DEPTH];
	uint64_t start;
	int n = t->has_pclntab ? pclntab_lookup(&t->pclntab, vaddr, frames, &start) : -ENOENT, r;

	if (n < 0)
		return n;
	r = answer_add_address(answer, vaddr, start);
	if (r < 0)
		return r;
	for (int i = 0; i < n; i++)
		answer_add_line(answer, frames[i].name,
			strnlen(frames[i].name, LIMIT_SYMBOL_NAME + 1), frames[i].name,
			frames[i].file, frames[i].line, frames[i].start_line);
	return 0;
}

static int add_one(struct answer *answer, const struct tables *t, uint64_t vaddr,
	const struct debug_info *info, const struct debug_address *debug)
{
	const struct symtab_symbol *symbol;
	uint64_t start = 0, end;
	int r = add_go(answer, t, vaddr);

	if (r != -ENOENT)
		return r;
	symbol = find_symbol(t, vaddr);
	if (debug && debug->n > 0) {
		start = debug->function_start;
		if (start == 0 && symbol)
			start = symbol->start;
		r = answer_add_address(answer, vaddr, start);
		if (r == 0)
			add_debug_lines(answer, info, debug, symbol);
		return r;
	}
	if (symbol)
		start = symbol->start;
	else if (!t->has_ehframe || ehframe_lookup(&t->ehframe, vaddr, &start, &end) < 0)
		start = 0;
	r = answer_add_address(answer, vaddr, start);
	if (r == 0 && symbol)
		answer_add_line(answer, symbol->name, strnlen(symbol->name, LIMIT_SYMBOL_NAME + 1),
			NULL, NULL, 0, 0);
	return r;
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

/* Sorts and removes what is there twice; how many are left. */
static size_t sort_distinct(uint64_t *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), compare_u64);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || v[kept - 1] != v[i])
			v[kept++] = v[i];
	}
	return kept;
}

static int open_tables(struct tables *t, const struct symbol_request *q, const int *fds)
{
	int r = source_elf_open(&t->file, fds[0]);

	if (r < 0)
		return r;
	(void)source_elf_open_debug(&t->file.elf, fds + 1, q->n_debug, &t->debug);
	if (goinfo_read(&t->file.elf, &t->go) < 0)
		t->go = (struct goinfo){ .minor = -1 };
	else
		t->has_pclntab = pclntab_init(&t->pclntab, &t->file.elf, &t->go) == 0;
	if (!add_symtab(t, &t->file.elf, SHT_SYMTAB))
		(void)add_symtab(t, &t->debug.elf, SHT_SYMTAB);
	(void)add_symtab(t, &t->file.elf, SHT_DYNSYM);
	t->has_ehframe = ehframe_init(&t->ehframe, &t->file.elf) == 0;
	return 0;
}

/* DWARF of the file, else of its debug file; NULL: none, or it is not to be read. */
static struct debug_info *open_dwarf(
	struct tables *t, const struct symbol_request *q, const int *fds)
{
	struct debug_info *info = NULL;
	const struct source_elf *from = has_dwarf(&t->file.elf) ? &t->file : &t->debug;

	if (q->no_dwarf || !from->elf.data || !has_dwarf(&from->elf))
		return NULL;
	open_alt(q, fds, &from->elf, &t->alt);
	if (debug_info_new(&info, from->file.data, from->file.n, t->alt.file.data, t->alt.file.n) <
		0)
		return NULL;
	return info;
}

/* What DWARF is asked for: the addresses that no Go function covers. */
static size_t dwarf_wanted(const struct tables *t, const uint64_t *vaddrs, size_t n, uint64_t *out)
{
	struct pclntab_frame frames[LIMIT_INLINE_DEPTH];
	uint64_t start;
	size_t wanted = 0;

	for (size_t i = 0; i < n; i++) {
		if (vaddrs[i] == UINT64_MAX)
			continue;
		if (!t->has_pclntab || pclntab_lookup(&t->pclntab, vaddrs[i], frames, &start) < 0)
			out[wanted++] = vaddrs[i];
	}
	return sort_distinct(out, wanted);
}

int source_elf_symbolize(const struct symbol_request *q, const int *fds, const uint64_t *offsets,
	struct answer *answer)
{
	/* Half of the time is for DWARF, so that symbols are answered in any case. */
	uint64_t deadline_ns = clock_monotonic_ns() + LIMIT_SYMBOL_DEADLINE_MS / 2 * NS_PER_MS;
	CLEANUP(tables_deinit) struct tables t = { 0 };
	CLEANUP(debug_info_freep) struct debug_info *info = NULL;
	_cleanup_free_ uint64_t *vaddrs = calloc(q->n_offsets, sizeof(*vaddrs));
	_cleanup_free_ uint64_t *wanted = calloc(q->n_offsets, sizeof(*wanted));
	_cleanup_free_ struct debug_address *debug = calloc(q->n_offsets, sizeof(*debug));
	size_t n_wanted = 0;
	int r;

	if (!vaddrs || !wanted || !debug)
		return -ENOMEM;
	r = open_tables(&t, q, fds);
	if (r < 0)
		return r;
	if (has_symtab(&t.file.elf) || t.debug.elf.data || has_dwarf(&t.file.elf) || t.has_pclntab)
		answer->flags |= ANSWER_FULL_SYMBOLS;
	for (uint32_t i = 0; i < q->n_offsets; i++) {
		if (elf_offset_to_vaddr(&t.file.elf, offsets[i], &vaddrs[i]) < 0)
			vaddrs[i] = UINT64_MAX;
	}
	n_wanted = dwarf_wanted(&t, vaddrs, q->n_offsets, wanted);
	if (n_wanted > 0)
		info = open_dwarf(&t, q, fds);
	if (info) {
		r = debug_info_lookup(info, wanted, n_wanted, deadline_ns, debug);
		if (r != 0)
			answer->flags |= ANSWER_PARTIAL;
	}
	for (uint32_t i = 0; i < q->n_offsets; i++) {
		const uint64_t *at = NULL;

		if (vaddrs[i] == UINT64_MAX)
			r = answer_add_address(answer, offsets[i], 0);
		else {
			if (info)
				at = bsearch(
					&vaddrs[i], wanted, n_wanted, sizeof(*wanted), compare_u64);
			r = add_one(answer, &t, vaddrs[i], info, at ? &debug[at - wanted] : NULL);
		}
		if (r < 0)
			return r;
	}
	return 0;
}
