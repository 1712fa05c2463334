/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing. Every record that is found by search is accepted only when it agrees with the
 * function table that it should describe. The file is a target's.
 */
#include "image/goinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"

#define BUILDINFO_MAGIC	      "\xff Go buildinf:"
#define BUILDINFO_MAGIC_N     14U
#define MODULE_BYTES	      352U /* up to and including gofunc in every known layout */
#define MODULE_MAX_CANDIDATES 64U

static bool is_relative(const struct elf *e, uint64_t info)
{
	uint32_t type = (uint32_t)ELF64_R_TYPE(info);

	return (e->machine == EM_X86_64 && type == R_X86_64_RELATIVE) ||
	       (e->machine == EM_AARCH64 && type == R_AARCH64_RELATIVE);
}

/* Calls fn for each relative relocation, until it returns false. */
static void each_relative(
	const struct elf *e, bool (*fn)(void *ctx, uint64_t vaddr, uint64_t addend), void *ctx)
{
	for (uint32_t i = 0; i < e->n_sections; i++) {
		const struct elf_section *s = &e->sections[i];

		if (s->type != SHT_RELA || !(s->flags & SHF_ALLOC) || (s->flags & SHF_COMPRESSED) ||
			!elf_section_has_bytes(e, s))
			continue;
		for (uint64_t at = 0; s->size - at >= sizeof(Elf64_Rela);
			at += sizeof(Elf64_Rela)) {
			Elf64_Rela rela;

			memcpy(&rela, e->data + s->offset + at, sizeof(rela));
			if (is_relative(e, rela.r_info) &&
				!fn(ctx, rela.r_offset, (uint64_t)rela.r_addend))
				return;
		}
	}
}

struct patch {
	uint64_t vaddr;
	uint8_t *p;
	size_t n;
};

static bool patch_one(void *ctx, uint64_t vaddr, uint64_t addend)
{
	struct patch *patch = ctx;

	if (vaddr >= patch->vaddr && patch->n >= 8 && vaddr - patch->vaddr <= patch->n - 8)
		memcpy(patch->p + (vaddr - patch->vaddr), &addend, 8);
	return true;
}

int goinfo_read_relocated(const struct elf *e, uint64_t vaddr, void *p, size_t n)
{
	struct patch patch = { .vaddr = vaddr, .p = p, .n = n };
	size_t left;
	const uint8_t *from = elf_at_vaddr(e, vaddr, &left);

	if (!from || left < n)
		return -ENODATA;
	memcpy(p, from, n);
	each_relative(e, patch_one, &patch);
	return 0;
}

static const uint8_t *find_buildinfo(const struct elf *e, uint64_t *ret_vaddr, size_t *ret_n)
{
	const struct elf_section *s = elf_find_section(e, ".go.buildinfo", SHT_NULL);

	if (s && !(s->flags & SHF_COMPRESSED) && elf_section_has_bytes(e, s) && s->size >= 32 &&
		memcmp(e->data + s->offset, BUILDINFO_MAGIC, BUILDINFO_MAGIC_N) == 0) {
		*ret_vaddr = s->addr;
		*ret_n = s->size;
		return e->data + s->offset;
	}
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *g = &e->segments[i];
		uint64_t at = (16 - g->vaddr % 16) % 16;
		size_t n;
		const uint8_t *p;

		if (g->type != PT_LOAD || !(g->flags & PF_W))
			continue;
		p = elf_at_vaddr(e, g->vaddr, &n);
		for (; p && n >= 32 && at <= n - 32; at += 16) {
			if (memcmp(p + at, BUILDINFO_MAGIC, BUILDINFO_MAGIC_N) != 0)
				continue;
			*ret_vaddr = g->vaddr + at;
			*ret_n = n - at;
			return p + at;
		}
	}
	return NULL;
}

/* Keeps what looks like a version: "go1.22.1 X:nocoverageredesign" ends at the blank. */
static int keep_version(const char *p, size_t n, struct goinfo *ret)
{
	size_t kept = 0;

	*ret = (struct goinfo){ .minor = -1 };
	for (; kept < n && kept < sizeof(ret->version) - 1; kept++) {
		if (p[kept] <= ' ' || p[kept] > '~')
			break;
		ret->version[kept] = p[kept];
	}
	if (kept < 2)
		return -ENODATA;
	if (sscanf(ret->version, "go1.%2d", &ret->minor) != 1 || ret->minor < 0)
		ret->minor = -1;
	return 0;
}

int goinfo_read(const struct elf *e, struct goinfo *ret)
{
	uint64_t vaddr, length, header[2];
	const uint8_t *p;
	size_t n;

	p = find_buildinfo(e, &vaddr, &n);
	if (!p)
		return -ENODATA;
	if (p[15] & 2) {
		struct reader r = READER_INIT(p, n);

		reader_seek(&r, 32);
		length = reader_uleb(&r);
		if (r.bad || length > reader_left(&r))
			return -ENODATA;
		return keep_version((const char *)r.at, length, ret);
	}
	/* Before 1.18: a pointer to a string header; 8-byte little-endian pointers only. */
	if (p[14] != 8 || p[15] != 0 || goinfo_read_relocated(e, vaddr + 16, &vaddr, 8) < 0 ||
		goinfo_read_relocated(e, vaddr, header, sizeof(header)) < 0)
		return -ENODATA;
	p = elf_at_vaddr(e, header[0], &n);
	if (!p || header[1] > n)
		return -ENODATA;
	return keep_version((const char *)p, header[1], ret);
}

/* ---- moduledata ---- */

struct search {
	const struct elf *elf;
	const struct goinfo *go;
	uint64_t pclntab, n_functions;
	unsigned tried;
	uint64_t candidate[MODULE_MAX_CANDIDATES];
	struct goinfo_module module;
};

static bool add_candidate(void *ctx, uint64_t vaddr, uint64_t value)
{
	struct search *s = ctx;

	if (value == s->pclntab && s->tried < MODULE_MAX_CANDIDATES)
		s->candidate[s->tried++] = vaddr;
	return s->tried < MODULE_MAX_CANDIDATES;
}

static uint64_t word(const uint8_t *p, size_t offset)
{
	uint64_t v;

	memcpy(&v, p + offset, sizeof(v));
	return v;
}

/* Where moduledata.gofunc is; 0: this version's layout is not known (or has none). */
static size_t gofunc_offset(int minor)
{
	if (minor == 18 || minor == 19)
		return 304;
	if (minor >= 20 && minor <= 26)
		return 320;
	return minor == 27 ? 344 : 0;
}

static bool try_candidate(struct search *s, uint64_t vaddr)
{
	uint8_t m[MODULE_BYTES];
	uint64_t minpc, maxpc, text;
	size_t gofunc = gofunc_offset(s->go->minor), n;
	const uint8_t *raw = elf_at_vaddr(s->elf, vaddr, &n);

	/* Counts need no relocation, which costs a walk over all of them. */
	if (!raw || n < sizeof(m) || word(raw, 136) != s->n_functions + 1 ||
		word(raw, 144) != s->n_functions + 1)
		return false;
	if (goinfo_read_relocated(s->elf, vaddr, m, sizeof(m)) < 0)
		return false;
	minpc = word(m, 160);
	maxpc = word(m, 168);
	text = word(m, 176);
	if (word(m, 0) != s->pclntab || minpc >= maxpc || text > minpc)
		return false;
	s->module.text = text;
	if (gofunc > 0 && elf_at_vaddr(s->elf, word(m, gofunc), &n))
		s->module.gofunc = word(m, gofunc);
	return true;
}

int goinfo_find_module(const struct elf *e, const struct goinfo *go, uint64_t pclntab_vaddr,
	uint64_t n_functions, struct goinfo_module *ret)
{
	struct search s = {
		.elf = e, .go = go, .pclntab = pclntab_vaddr, .n_functions = n_functions
	};

	each_relative(e, add_candidate, &s);
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *g = &e->segments[i];
		uint64_t at = (8 - g->vaddr % 8) % 8;
		const uint8_t *p;
		size_t n;

		if (g->type != PT_LOAD || !(g->flags & PF_W))
			continue;
		p = elf_at_vaddr(e, g->vaddr, &n);
		for (; p && n >= 8 && at <= n - 8; at += 8) {
			if (!add_candidate(&s, g->vaddr + at, word(p, at)))
				break;
		}
	}
	for (unsigned i = 0; i < s.tried; i++) {
		if (!try_candidate(&s, s.candidate[i]))
			continue;
		*ret = s.module;
		return 0;
	}
	return -ENOENT;
}
