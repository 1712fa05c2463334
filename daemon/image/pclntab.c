/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a copy of the table only where it had to be unpacked or relocated; else reads in place. A
 * target's file: every offset is checked where it is used, walks of the pc-value tables are
 * bounded.
 */
#include "image/pclntab.h"

#include <errno.h>
#include <string.h>
#include "base/bytes.h"

#define MAGIC_1_2	0xfffffffbU
#define MAGIC_1_16	0xfffffffaU
#define MAGIC_1_18	0xfffffff0U
#define MAGIC_1_20	0xfffffff1U
#define MAX_FUNCTIONS	10000000U
#define MAX_STEPS	(1U << 20) /* of one pc-value table */
#define PCDATA_INLINE	2U
#define FUNCDATA_INLINE 3U

/* Offsets in a _func record; 0: the version has no such field. */
struct layout {
	uint8_t name, pcfile, pcln, n_pcdata, unit, start_line, n_funcdata, size;
};
static const struct layout layouts[] = {
	[PCLNTAB_1_2] = { 8, 24, 28, 32, 0, 0, 0, 40 },
	[PCLNTAB_1_16] = { 8, 24, 28, 32, 36, 0, 43, 44 },
	[PCLNTAB_1_18] = { 4, 20, 24, 28, 32, 0, 39, 40 },
	[PCLNTAB_1_20] = { 4, 20, 24, 28, 32, 36, 43, 44 },
};

static bool fits(const struct pclntab *t, uint64_t offset, uint64_t n)
{
	return offset <= t->bytes.n && n <= t->bytes.n - offset;
}

static uint32_t get_u32(const struct pclntab *t, uint64_t offset)
{
	uint32_t v = 0;

	if (fits(t, offset, sizeof(v)))
		memcpy(&v, t->bytes.data + offset, sizeof(v));
	return v;
}

static uint64_t get_u64(const struct pclntab *t, uint64_t offset)
{
	uint64_t v = 0;

	if (fits(t, offset, sizeof(v)))
		memcpy(&v, t->bytes.data + offset, sizeof(v));
	return v;
}

static const char *get_string(const struct pclntab *t, uint64_t base, uint64_t offset)
{
	uint64_t at = base + offset;

	if (at < base || at >= t->bytes.n || !memchr(t->bytes.data + at, 0, t->bytes.n - at))
		return "";
	return (const char *)t->bytes.data + at;
}

/* ---- finding it ---- */

static bool is_header(const uint8_t *p, size_t n, enum pclntab_version *ret)
{
	uint32_t magic;
	uint64_t functions;

	if (n < 72)
		return false;
	memcpy(&magic, p, sizeof(magic));
	memcpy(&functions, p + 8, sizeof(functions));
	if (p[4] != 0 || p[5] != 0 || (p[6] != 1 && p[6] != 2 && p[6] != 4) || p[7] != 8 ||
		functions == 0 || functions > MAX_FUNCTIONS)
		return false;
	switch (magic) {
	case MAGIC_1_2:
		*ret = PCLNTAB_1_2;
		return true;
	case MAGIC_1_16:
		*ret = PCLNTAB_1_16;
		return true;
	case MAGIC_1_18:
		*ret = PCLNTAB_1_18;
		return true;
	case MAGIC_1_20:
		*ret = PCLNTAB_1_20;
		return true;
	default:
		return false;
	}
}

static int find_by_section(struct pclntab *t, const struct elf *e)
{
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct elf_section *s = elf_find_section(e, names[i], SHT_NULL);

		if (!s || elf_section_bytes(e, s, &t->bytes) < 0)
			continue;
		t->vaddr = s->addr;
		if (is_header(t->bytes.data, t->bytes.n, &t->version))
			return 0;
		elf_bytes_deinit(&t->bytes);
	}
	return -ENODATA;
}

static int read_header(struct pclntab *t);

static int find_by_magic(struct pclntab *t, const struct elf *e)
{
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *g = &e->segments[i];
		uint64_t at = (8 - g->vaddr % 8) % 8;
		const uint8_t *p;
		size_t n;

		if (g->type != PT_LOAD)
			continue;
		p = elf_at_vaddr(e, g->vaddr, &n);
		for (; p && n >= 72 && at <= n - 72; at += 8) {
			if (!is_header(p + at, n - at, &t->version))
				continue;
			t->bytes = (struct elf_bytes){ .data = p + at, .n = n - at };
			t->vaddr = g->vaddr + at;
			if (read_header(t) == 0)
				return 0;
		}
	}
	return -ENODATA;
}

/* ---- reading it ---- */

static int read_header(struct pclntab *t)
{
	bool old = t->version <= PCLNTAB_1_16;
	uint64_t first = t->version == PCLNTAB_1_16 ? 24 : 32, size;

	t->quantum = t->bytes.data[6];
	t->n_functions = get_u64(t, 8);
	if (t->version == PCLNTAB_1_2) {
		t->functions = 16;
		t->files = get_u32(t, t->functions + t->n_functions * 16 + 8);
	} else {
		t->names = get_u64(t, first);
		t->units = get_u64(t, first + 8);
		t->files = get_u64(t, first + 16);
		t->pcs = get_u64(t, first + 24);
		t->functions = get_u64(t, first + 32);
	}
	size = t->n_functions * (old ? 16 : 8) + (old ? 8 : 4);
	if (!fits(t, t->functions, size) || !fits(t, t->names, 1) || !fits(t, t->units, 1) ||
		!fits(t, t->files, 1) || !fits(t, t->pcs, 1))
		return -EBADMSG;
	return 0;
}

/* Up to 1.17 the table holds addresses, which in a PIE are left to the dynamic linker. */
static int relocate(struct pclntab *t)
{
	_cleanup_free_ uint8_t *copy = NULL;
	size_t n = t->bytes.n;

	if (t->version > PCLNTAB_1_16 || t->elf->type != ET_DYN)
		return 0;
	copy = malloc(n);
	if (!copy)
		return -ENOMEM;
	if (goinfo_read_relocated(t->elf, t->vaddr, copy, n) < 0)
		return 0;
	elf_bytes_deinit(&t->bytes);
	t->bytes = (struct elf_bytes){ .data = copy, .n = n, .owned = copy };
	copy = NULL;
	return 0;
}

static int find_bases(struct pclntab *t, const struct goinfo *go)
{
	struct goinfo_module module = { 0 };
	bool known = goinfo_find_module(t->elf, go, t->vaddr, t->n_functions, &module) == 0;

	if (t->version <= PCLNTAB_1_16) {
		t->inlines = t->version == PCLNTAB_1_16;
		return 0;
	}
	t->gofunc = module.gofunc;
	t->inlines = known && module.gofunc != 0;
	if (known) {
		t->text = module.text;
		return 0;
	}
	/* Since 1.26 the header's textStart is reserved; without moduledata nothing says it. */
	if (go->minor >= 26 || go->minor < 0 ||
		goinfo_read_relocated(t->elf, t->vaddr + 24, &t->text, 8) < 0 || t->text == 0)
		return -EBADMSG;
	return 0;
}

int pclntab_init(struct pclntab *t, const struct elf *e, const struct goinfo *go)
{
	int r;

	*t = (struct pclntab){ .elf = e };
	r = find_by_section(t, e);
	if (r == 0)
		r = read_header(t);
	if (r < 0) {
		elf_bytes_deinit(&t->bytes);
		r = find_by_magic(t, e);
	}
	if (r == 0)
		r = relocate(t);
	if (r == 0)
		r = find_bases(t, go);
	if (r < 0)
		pclntab_deinit(t);
	return r;
}

void pclntab_deinit(struct pclntab *t)
{
	elf_bytes_deinit(&t->bytes);
	*t = (struct pclntab){ 0 };
}

/* ---- asking it ---- */

static uint64_t function_entry(const struct pclntab *t, uint64_t i)
{
	if (t->version <= PCLNTAB_1_16)
		return get_u64(t, t->functions + i * 16);
	return t->text + get_u32(t, t->functions + i * 8);
}

/* The offset of the _func record; 0: none. */
static uint64_t find_function(const struct pclntab *t, uint64_t vaddr, uint64_t *ret_entry)
{
	uint64_t low = 0, high = t->n_functions + 1, at, base;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (function_entry(t, middle) <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || low > t->n_functions)
		return 0;
	*ret_entry = function_entry(t, low - 1);
	base = t->version == PCLNTAB_1_2 ? 0 : t->functions;
	if (t->version <= PCLNTAB_1_16)
		at = get_u64(t, t->functions + (low - 1) * 16 + 8);
	else
		at = get_u32(t, t->functions + (low - 1) * 8 + 4);
	if (at > t->bytes.n || !fits(t, base + at, layouts[t->version].size))
		return 0;
	return base + at;
}

/* The value of a pc-value table at `into` bytes behind the function's entry; -1: none. */
static int32_t pc_value(const struct pclntab *t, uint32_t offset, uint64_t into)
{
	struct reader r = READER_INIT(t->bytes.data, t->bytes.n);
	int32_t value = -1;
	uint64_t pc = 0;

	if (offset == 0 || offset > t->bytes.n)
		return -1;
	reader_seek(&r, t->pcs + offset);
	for (unsigned i = 0; i < MAX_STEPS; i++) {
		uint32_t delta = (uint32_t)reader_uleb(&r);

		if (r.bad || (delta == 0 && i > 0))
			return -1;
		value = (int32_t)((uint32_t)value + ((delta >> 1) ^ -(delta & 1)));
		pc += (uint32_t)reader_uleb(&r) * (uint64_t)t->quantum;
		if (r.bad)
			return -1;
		if (into < pc)
			return value;
	}
	return -1;
}

static void position(
	const struct pclntab *t, uint64_t func, uint64_t into, struct pclntab_frame *frame)
{
	const struct layout *l = &layouts[t->version];
	int32_t file = pc_value(t, get_u32(t, func + l->pcfile), into);
	int32_t line = pc_value(t, get_u32(t, func + l->pcln), into);
	uint32_t offset;

	frame->line = line > 0 ? (uint32_t)line : 0;
	frame->file = "";
	if (file < 0)
		return;
	if (t->version == PCLNTAB_1_2) {
		/* Element 0 of the file table is its length. */
		if (file > 0 && (uint32_t)file < get_u32(t, t->files))
			frame->file = get_string(t, 0, get_u32(t, t->files + (uint64_t)file * 4));
		return;
	}
	offset = get_u32(t, t->units + ((uint64_t)get_u32(t, func + l->unit) + (uint32_t)file) * 4);
	if (offset != UINT32_MAX)
		frame->file = get_string(t, t->files, offset);
}

/* The inline tree of a function; NULL: it has none. */
static const uint8_t *inline_tree(const struct pclntab *t, uint64_t func, size_t *ret_n)
{
	const struct layout *l = &layouts[t->version];
	uint64_t n_pcdata = get_u32(t, func + l->n_pcdata), at;
	uint8_t n_funcdata = t->bytes.data[func + l->n_funcdata];
	uint64_t vaddr;

	if (!t->inlines || n_pcdata <= PCDATA_INLINE || n_funcdata <= FUNCDATA_INLINE)
		return NULL;
	at = func + l->size + n_pcdata * 4;
	if (t->version == PCLNTAB_1_16) {
		/* Pointers, aligned as in memory. */
		at += (8 - (t->vaddr + at) % 8) % 8;
		vaddr = get_u64(t, at + FUNCDATA_INLINE * 8);
	} else {
		uint32_t offset;

		if (!fits(t, at + FUNCDATA_INLINE * 4, 4))
			return NULL;
		offset = get_u32(t, at + FUNCDATA_INLINE * 4);
		if (offset == UINT32_MAX)
			return NULL;
		vaddr = t->gofunc + offset;
	}
	return vaddr ? elf_at_vaddr(t->elf, vaddr, ret_n) : NULL;
}

static int32_t get_i32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int pclntab_lookup(const struct pclntab *t, uint64_t vaddr,
	struct pclntab_frame frames[LIMIT_INLINE_DEPTH], uint64_t *ret_start)
{
	const struct layout *l = &layouts[t->version];
	bool old = t->version < PCLNTAB_1_20;
	size_t entry_n = old ? 20 : 16, tree_n = 0;
	uint64_t func, entry, into;
	uint32_t inline_pcs = 0;
	const uint8_t *tree;
	int n = 0;

	func = find_function(t, vaddr, &entry);
	if (func == 0 || *get_string(t, t->names, get_u32(t, func + l->name)) == '\0')
		return -ENOENT;
	into = vaddr - entry;
	tree = inline_tree(t, func, &tree_n);
	if (tree)
		inline_pcs = get_u32(t, func + l->size + PCDATA_INLINE * 4);
	while (tree && n < (int)LIMIT_INLINE_DEPTH - 1) {
		int32_t index = pc_value(t, inline_pcs, into), parent;
		const uint8_t *e = tree + (uint64_t)(index < 0 ? 0 : index) * entry_n;

		if (index < 0)
			break;
		if (((uint64_t)index + 1) * entry_n > tree_n)
			break;
		position(t, func, into, &frames[n]);
		frames[n].name = get_string(t, t->names, (uint32_t)get_i32(e + (old ? 12 : 4)));
		frames[n].start_line = 0;
		if (!old && get_i32(e + 12) > 0)
			frames[n].start_line = (uint32_t)get_i32(e + 12);
		n++;
		parent = get_i32(e + (old ? 16 : 8));
		if (parent < 0)
			break;
		into = (uint64_t)parent;
	}
	position(t, func, into, &frames[n]);
	frames[n].name = get_string(t, t->names, get_u32(t, func + l->name));
	frames[n].start_line = l->start_line ? get_u32(t, func + l->start_line) : 0;
	*ret_start = entry;
	return n + 1;
}
