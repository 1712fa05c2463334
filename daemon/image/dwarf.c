/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the libdw handles of one file and the frames found so far.
 *
 * Units are found by their own ranges, not by .debug_aranges, which clang does not write. Within a
 * unit the tree is walked once for all addresses; types and nested functions only when something is
 * still missing. Trees of a crafted file can be deep, wide or circular: depth, time and the number
 * of frames are bounded here, memory by the sandbox.
 */
#include "image/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"

#define MAX_FRAMES	 (8U << 20)
#define MAX_DEPTH	 48U
#define CLOCK_EVERY	 256U /* entries between two looks at the clock */
#define MAX_UNIT_ENTRIES (32U << 20)

struct debug_info {
	Elf *elf, *alt_elf;
	Dwarf *dwarf, *alt;
	struct array frames; /* struct debug_frame */
};

struct walk {
	struct debug_info *info;
	const uint64_t *vaddrs;
	struct debug_address *out;
	size_t n;
	uint64_t deadline_ns;
	uint64_t entries; /* visited in this unit */
	bool deep;	  /* look into types and functions too */
	int error;	  /* 0, 1: out of time, -ENOMEM */
	Dwarf_Die unit;
};

int debug_info_new(struct debug_info **ret, void *data, size_t n, void *alt, size_t alt_n)
{
	struct debug_info *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->frames = (struct array)ARRAY_INIT(struct debug_frame, MAX_FRAMES);
	(void)elf_version(EV_CURRENT);
	d->elf = elf_memory(data, n);
	if (d->elf)
		d->dwarf = dwarf_begin_elf(d->elf, DWARF_C_READ, NULL);
	if (!d->dwarf) {
		debug_info_free(d);
		return -ENODATA;
	}
	if (alt)
		d->alt_elf = elf_memory(alt, alt_n);
	if (d->alt_elf)
		d->alt = dwarf_begin_elf(d->alt_elf, DWARF_C_READ, NULL);
	if (d->alt)
		dwarf_setalt(d->dwarf, d->alt);
	*ret = d;
	return 0;
}

struct debug_info *debug_info_free(struct debug_info *d)
{
	if (!d)
		return NULL;
	array_deinit(&d->frames);
	(void)dwarf_end(d->dwarf);
	(void)dwarf_end(d->alt);
	(void)elf_end(d->elf);
	(void)elf_end(d->alt_elf);
	free(d);
	return NULL;
}

const struct debug_frame *debug_info_frames(
	const struct debug_info *d, const struct debug_address *a)
{
	return a->n ? ARRAY_AT(&d->frames, const struct debug_frame, a->first) : NULL;
}

static bool must_stop(struct walk *w)
{
	if (w->error)
		return true;
	w->entries++;
	if (w->entries > MAX_UNIT_ENTRIES ||
		(w->entries % CLOCK_EVERY == 0 && clock_monotonic_ns() >= w->deadline_ns))
		w->error = 1;
	return w->error != 0;
}

static size_t lower_bound(const struct walk *w, uint64_t vaddr)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->vaddrs[middle] < vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- one address ---- */

static const char *string_attribute(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;

	if (!dwarf_attr_integrate(die, name, &attribute))
		return NULL;
	return dwarf_formstring(&attribute);
}

static uint32_t number_attribute(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word v;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &v) != 0 ||
		v > INT32_MAX)
		return 0;
	return (uint32_t)v;
}

static void name_frame(struct debug_frame *f, Dwarf_Die *die)
{
	int line;

	f->name = string_attribute(die, DW_AT_name);
	f->linkage_name = string_attribute(die, DW_AT_linkage_name);
	if (!f->linkage_name)
		f->linkage_name = string_attribute(die, DW_AT_MIPS_linkage_name);
	if (dwarf_decl_line(die, &line) == 0 && line > 0)
		f->start_line = (uint32_t)line;
}

static void locate_frame(struct walk *w, struct debug_frame *f, uint64_t vaddr)
{
	Dwarf_Line *line = dwarf_getsrc_die(&w->unit, vaddr);
	int n;

	if (!line)
		return;
	f->file = dwarf_linesrc(line, NULL, NULL);
	if (dwarf_lineno(line, &n) == 0 && n > 0)
		f->line = (uint32_t)n;
}

static void locate_call(struct walk *w, struct debug_frame *f, Dwarf_Die *inlined)
{
	uint32_t file = number_attribute(inlined, DW_AT_call_file);
	Dwarf_Files *files;
	size_t n;

	f->line = number_attribute(inlined, DW_AT_call_line);
	f->file = NULL;
	if (dwarf_hasattr(inlined, DW_AT_call_file) &&
		dwarf_getsrcfiles(&w->unit, &files, &n) == 0 && file < n)
		f->file = dwarf_filesrc(files, file, NULL, NULL);
}

/* The function and the calls inlined at vaddr, outermost first: how many. */
static size_t inline_chain(
	struct walk *w, Dwarf_Die *function, uint64_t vaddr, Dwarf_Die chain[LIMIT_INLINE_DEPTH])
{
	Dwarf_Die at = *function, child;
	size_t n = 1;

	chain[0] = *function;
	for (unsigned depth = 0; depth < 4 * LIMIT_INLINE_DEPTH; depth++) {
		bool found = false;
		int r = dwarf_child(&at, &child);

		for (; r == 0 && !found; r = found ? 0 : dwarf_siblingof(&child, &child)) {
			int tag = dwarf_tag(&child);

			if (must_stop(w))
				return n;
			found = (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
					tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
				dwarf_haspc(&child, vaddr) > 0;
		}
		if (!found)
			return n;
		at = child;
		if (dwarf_tag(&at) == DW_TAG_inlined_subroutine) {
			if (n == LIMIT_INLINE_DEPTH)
				return n;
			chain[n++] = at;
		}
	}
	return n;
}

static void add_address(struct walk *w, size_t i, Dwarf_Die *function)
{
	Dwarf_Die chain[LIMIT_INLINE_DEPTH];
	struct array *frames = &w->info->frames;
	size_t n = inline_chain(w, function, w->vaddrs[i], chain);
	struct debug_frame position = { 0 };
	Dwarf_Addr start;

	if (w->error)
		return;
	w->out[i].first = (uint32_t)frames->n;
	locate_frame(w, &position, w->vaddrs[i]);
	while (n-- > 0) {
		struct debug_frame *f = array_push(frames);

		if (!f) {
			w->error = -ENOMEM;
			w->out[i].n = 0;
			return;
		}
		*f = position;
		name_frame(f, &chain[n]);
		w->out[i].n++;
		if (n > 0)
			locate_call(w, &position, &chain[n]);
	}
	if (dwarf_entrypc(function, &start) == 0)
		w->out[i].function_start = start;
}

/* ---- one unit ---- */

static void visit_function(struct walk *w, Dwarf_Die *die)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;

	while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0 && !must_stop(w)) {
		for (size_t i = lower_bound(w, start); i < w->n && w->vaddrs[i] < end; i++) {
			if (w->out[i].n == 0 && !w->error)
				add_address(w, i, die);
		}
	}
}

static void visit_children(struct walk *w, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		if (must_stop(w))
			return;
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			visit_function(w, &die);
			if (w->deep)
				visit_children(w, &die, depth + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
			visit_children(w, &die, depth + 1);
			break;
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
		case DW_TAG_union_type:
		case DW_TAG_enumeration_type:
		case DW_TAG_lexical_block:
			if (w->deep)
				visit_children(w, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
}

/* Calls visit for what the unit's ranges contain and nothing covers yet; how many there were. */
static size_t each_missing(struct walk *w, void (*visit)(struct walk *w, size_t i))
{
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;
	size_t n = 0;

	while ((offset = dwarf_ranges(&w->unit, offset, &base, &start, &end)) > 0 &&
		!must_stop(w)) {
		for (size_t i = lower_bound(w, start); i < w->n && w->vaddrs[i] < end; i++) {
			if (w->out[i].n > 0)
				continue;
			n++;
			if (visit)
				visit(w, i);
			else
				return n;
		}
	}
	return n;
}

/* Assembler: a line without a function. */
static void add_line_only(struct walk *w, size_t i)
{
	struct debug_frame position = { 0 }, *f;

	locate_frame(w, &position, w->vaddrs[i]);
	if (!position.file)
		return;
	f = array_push(&w->info->frames);
	if (!f) {
		w->error = -ENOMEM;
		return;
	}
	*f = position;
	w->out[i].first = (uint32_t)(w->info->frames.n - 1);
	w->out[i].n = 1;
}

static void visit_unit(struct walk *w)
{
	w->entries = 0;
	if (each_missing(w, NULL) == 0)
		return;
	w->deep = false;
	visit_children(w, &w->unit, 0);
	if (w->error || each_missing(w, NULL) == 0)
		return;
	w->deep = true;
	visit_children(w, &w->unit, 0);
	if (!w->error)
		(void)each_missing(w, add_line_only);
}

int debug_info_lookup(struct debug_info *d, const uint64_t *vaddrs, size_t n, uint64_t deadline_ns,
	struct debug_address *ret)
{
	struct walk w = {
		.info = d, .vaddrs = vaddrs, .out = ret, .n = n, .deadline_ns = deadline_ns
	};
	Dwarf_CU *cu = NULL;

	memset(ret, 0, n * sizeof(*ret));
	while (!w.error && dwarf_get_units(d->dwarf, cu, &cu, NULL, NULL, &w.unit, NULL) == 0) {
		int tag = dwarf_tag(&w.unit);

		if (clock_monotonic_ns() >= deadline_ns)
			w.error = 1;
		else if (tag == DW_TAG_compile_unit || tag == DW_TAG_skeleton_unit)
			visit_unit(&w);
	}
	return w.error;
}
