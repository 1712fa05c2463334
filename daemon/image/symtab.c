/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns one sorted table of function symbols. Input is a target's file: symbols may overlap, lie
 * anywhere and be many; a lookup looks at a bounded number of them.
 */
#include "image/symtab.h"

#include <errno.h>
#include <string.h>

#define SYMTAB_MAX	  (16U << 20)
#define SYMTAB_MAX_NESTED 256U /* symbols looked at behind the nearest one */

enum { RANK_LOCAL = 4, RANK_WEAK = 2, RANK_NO_SIZE = 64 };

static int compare_symbols(const void *pa, const void *pb)
{
	const struct symtab_symbol *a = pa, *b = pb;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	/* The best one of equal starts comes last: it is met first when looking backwards. */
	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return strcmp(b->name, a->name);
}

static uint8_t rank_of(const Elf64_Sym *s, const char *name)
{
	unsigned rank = 0, underscores = 0;

	if (ELF64_ST_BIND(s->st_info) == STB_LOCAL)
		rank += RANK_LOCAL * 8;
	else if (ELF64_ST_BIND(s->st_info) == STB_WEAK)
		rank += RANK_WEAK * 8;
	while (name[underscores] == '_' && underscores < 7)
		underscores++;
	rank += underscores;
	if (s->st_size == 0)
		rank += RANK_NO_SIZE;
	return (uint8_t)rank;
}

static bool wanted(const struct elf *e, const Elf64_Sym *s, const char *name)
{
	const struct elf_section *section;
	unsigned type = ELF64_ST_TYPE(s->st_info);

	if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_COMMON || name[0] == '\0')
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	if (type != STT_NOTYPE || s->st_shndx >= SHN_LORESERVE)
		return false;
	section = elf_section_at(e, s->st_shndx);
	return section && (section->flags & SHF_EXECINSTR) && name[0] != '.' && name[0] != '$';
}

static uint64_t section_end(const struct elf_section *s, uint64_t start)
{
	if (s && start >= s->addr && start - s->addr < s->size && s->size <= UINT64_MAX - s->addr)
		return s->addr + s->size;
	return start;
}

static void close_gaps(struct symtab *t)
{
	uint64_t next = UINT64_MAX, max_end = 0;

	/* Symbols without size carry their section's end: cut it at the next higher start. */
	for (size_t i = t->n; i-- > 0;) {
		struct symtab_symbol *s = &t->symbols[i];

		if (i + 1 < t->n && t->symbols[i + 1].start > s->start)
			next = t->symbols[i + 1].start;
		if (s->rank >= RANK_NO_SIZE)
			s->end = MIN(s->end, next);
	}
	for (size_t i = 0; i < t->n; i++) {
		max_end = MAX(max_end, t->symbols[i].end);
		t->symbols[i].max_end = max_end;
	}
}

static void read_symbols(struct symtab *t, const struct elf *e, size_t n)
{
	const char *strings = (const char *)t->strings.data;

	for (size_t i = 0; i < n; i++) {
		struct symtab_symbol *out = &t->symbols[t->n];
		Elf64_Sym s;

		memcpy(&s, t->entries.data + i * sizeof(s), sizeof(s));
		if (s.st_name >= t->strings.n || !wanted(e, &s, strings + s.st_name))
			continue;
		if (s.st_size > UINT64_MAX - s.st_value)
			continue;
		out->start = s.st_value;
		out->end = s.st_value + s.st_size;
		if (s.st_size == 0)
			out->end = section_end(elf_section_at(e, s.st_shndx), s.st_value);
		out->name = strings + s.st_name;
		out->rank = rank_of(&s, out->name);
		t->n++;
	}
}

int symtab_init(struct symtab *t, const struct elf *e, uint32_t type)
{
	const struct elf_section *s = elf_find_section(e, NULL, type), *strings;
	size_t n;
	int r;

	*t = (struct symtab){ 0 };
	if (!s)
		return -ENODATA;
	strings = elf_section_at(e, s->link);
	if (s->entsize != sizeof(Elf64_Sym) || !strings || strings->type != SHT_STRTAB)
		return -EBADMSG;
	r = elf_section_bytes(e, s, &t->entries);
	if (r == 0)
		r = elf_section_bytes(e, strings, &t->strings);
	/* One NUL at the end of the string table ends every name in it. */
	if (r == 0 && t->strings.data[t->strings.n - 1] != '\0')
		r = -EBADMSG;
	n = r == 0 ? t->entries.n / sizeof(Elf64_Sym) : 0;
	if (r == 0 && n > SYMTAB_MAX)
		r = -E2BIG;
	if (r == 0) {
		t->symbols = calloc(n ? n : 1, sizeof(*t->symbols));
		if (!t->symbols)
			r = -ENOMEM;
	}
	if (r < 0) {
		symtab_deinit(t);
		return r;
	}
	read_symbols(t, e, n);
	qsort(t->symbols, t->n, sizeof(*t->symbols), compare_symbols);
	close_gaps(t);
	return 0;
}

void symtab_deinit(struct symtab *t)
{
	free(t->symbols);
	elf_bytes_deinit(&t->strings);
	elf_bytes_deinit(&t->entries);
	*t = (struct symtab){ 0 };
}

const struct symtab_symbol *symtab_lookup(const struct symtab *t, uint64_t vaddr)
{
	const struct symtab_symbol *unsized = NULL;
	size_t low = 0, high = t->n, steps = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->symbols[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i-- > 0 && steps < SYMTAB_MAX_NESTED; steps++) {
		const struct symtab_symbol *s = &t->symbols[i];

		if (s->max_end <= vaddr)
			break;
		if (s->end <= vaddr)
			continue;
		if (s->rank < RANK_NO_SIZE)
			return s;
		if (!unsized)
			unsized = s;
	}
	return unsized;
}
