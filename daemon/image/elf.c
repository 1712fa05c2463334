/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the section and segment tables of one ELF image, and unpacked section contents until they
 * are given away. Does not own the image. Trusts nothing in it: the image is a target's file.
 *
 * Invariants: every name in `sections` is NUL-terminated inside the image; nothing is read outside
 * of [data, data + n).
 */
#include "image/elf.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

static bool range_fits(const struct elf *e, uint64_t offset, uint64_t size)
{
	return offset <= e->n && size <= e->n - offset;
}

static void read_shdr(const struct elf *e, uint64_t offset, Elf64_Shdr *ret)
{
	memcpy(ret, e->data + offset, sizeof(*ret));
}

/* A string of a string table that is [table, table + n), "" where it does not end inside. */
static const char *string_at(const uint8_t *table, size_t n, uint64_t offset)
{
	if (offset >= n || !memchr(table + offset, 0, n - offset))
		return "";
	return (const char *)table + offset;
}

static int read_sections(struct elf *e, const Elf64_Ehdr *h)
{
	const uint8_t *names = NULL;
	size_t names_n = 0;
	uint64_t n = h->e_shnum;
	uint32_t strings = h->e_shstrndx;
	Elf64_Shdr first, s;

	if (h->e_shoff == 0 || h->e_shentsize != sizeof(Elf64_Shdr) ||
		!range_fits(e, h->e_shoff, sizeof(first)))
		return 0;
	read_shdr(e, h->e_shoff, &first);
	if (n == 0)
		n = first.sh_size;
	if (strings == SHN_XINDEX)
		strings = first.sh_link;
	n = MIN(n, (e->n - h->e_shoff) / sizeof(Elf64_Shdr));
	n = MIN(n, ELF_MAX_SECTIONS);
	if (n == 0)
		return 0;
	e->sections = calloc(n, sizeof(*e->sections));
	if (!e->sections)
		return -ENOMEM;
	e->n_sections = (uint32_t)n;
	if (strings < n) {
		read_shdr(e, h->e_shoff + strings * sizeof(s), &s);
		if (s.sh_type == SHT_STRTAB && range_fits(e, s.sh_offset, s.sh_size)) {
			names = e->data + s.sh_offset;
			names_n = s.sh_size;
		}
	}
	for (uint64_t i = 0; i < n; i++) {
		read_shdr(e, h->e_shoff + i * sizeof(s), &s);
		e->sections[i] = (struct elf_section){
			.name = names ? string_at(names, names_n, s.sh_name) : "",
			.type = s.sh_type,
			.link = s.sh_link,
			.flags = s.sh_flags,
			.addr = s.sh_addr,
			.offset = s.sh_offset,
			.size = s.sh_size,
			.entsize = s.sh_entsize,
		};
	}
	return 0;
}

static int read_segments(struct elf *e, const Elf64_Ehdr *h)
{
	uint64_t n = h->e_phnum;

	if (h->e_phoff == 0 || h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phoff >= e->n)
		return 0;
	if (n == PN_XNUM)
		return 0;
	n = MIN(n, (e->n - h->e_phoff) / sizeof(Elf64_Phdr));
	n = MIN(n, ELF_MAX_SEGMENTS);
	if (n == 0)
		return 0;
	e->segments = calloc(n, sizeof(*e->segments));
	if (!e->segments)
		return -ENOMEM;
	e->n_segments = (uint32_t)n;
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Phdr p;

		memcpy(&p, e->data + h->e_phoff + i * sizeof(p), sizeof(p));
		e->segments[i] = (struct elf_segment){
			.type = p.p_type,
			.flags = p.p_flags,
			.offset = p.p_offset,
			.vaddr = p.p_vaddr,
			.filesz = p.p_filesz,
			.memsz = p.p_memsz,
		};
	}
	return 0;
}

int elf_init(struct elf *e, const void *data, size_t n)
{
	Elf64_Ehdr h;
	int r;

	*e = (struct elf){ .data = data, .n = n };
	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, data, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
		h.e_ident[EI_DATA] != ELFDATA2LSB)
		return -EBADMSG;
	e->type = h.e_type;
	e->machine = h.e_machine;
	r = read_segments(e, &h);
	if (r == 0)
		r = read_sections(e, &h);
	if (r < 0)
		elf_deinit(e);
	return r;
}

void elf_deinit(struct elf *e)
{
	free(e->sections);
	free(e->segments);
	*e = (struct elf){ 0 };
}

const struct elf_section *elf_find_section(const struct elf *e, const char *name, uint32_t type)
{
	for (uint32_t i = 0; i < e->n_sections; i++) {
		const struct elf_section *s = &e->sections[i];

		if ((type == SHT_NULL || s->type == type) && (!name || strcmp(s->name, name) == 0))
			return s;
	}
	return NULL;
}

const struct elf_section *elf_section_at(const struct elf *e, uint32_t index)
{
	return index < e->n_sections ? &e->sections[index] : NULL;
}

bool elf_section_has_bytes(const struct elf *e, const struct elf_section *s)
{
	return s->type != SHT_NOBITS && s->type != SHT_NULL && s->size > 0 &&
	       range_fits(e, s->offset, s->size);
}

static int inflate_bytes(const uint8_t *in, size_t in_n, uint64_t out_n, struct elf_bytes *ret)
{
	_cleanup_free_ uint8_t *out = NULL;
	z_stream z = { 0 };
	int r;

	/* Deflate cannot do better than 1032:1: a larger claim is false, and costs no memory here.
	 */
	if (out_n > ELF_MAX_SECTION_BYTES || in_n > UINT32_MAX)
		return -E2BIG;
	if (out_n / 1032 > in_n || out_n == 0)
		return -EBADMSG;
	out = malloc(out_n);
	if (!out)
		return -ENOMEM;
	z.next_in = (Bytef *)(uintptr_t)in;
	z.avail_in = (uInt)in_n;
	z.next_out = out;
	z.avail_out = (uInt)out_n;
	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	r = inflate(&z, Z_FINISH);
	(void)inflateEnd(&z);
	if (r != Z_STREAM_END || z.avail_out != 0)
		return -EBADMSG;
	*ret = (struct elf_bytes){ .data = out, .n = out_n, .owned = out };
	out = NULL;
	return 0;
}

int elf_section_bytes(const struct elf *e, const struct elf_section *s, struct elf_bytes *ret)
{
	const uint8_t *p;
	Elf64_Chdr c;

	if (!elf_section_has_bytes(e, s))
		return -ENODATA;
	p = e->data + s->offset;
	if (s->flags & SHF_COMPRESSED) {
		if (s->size < sizeof(c))
			return -EBADMSG;
		memcpy(&c, p, sizeof(c));
		if (c.ch_type != ELFCOMPRESS_ZLIB)
			return -EOPNOTSUPP;
		return inflate_bytes(p + sizeof(c), s->size - sizeof(c), c.ch_size, ret);
	}
	/* The older GNU form: section .zdebug_*, "ZLIB" and the size in big-endian. */
	if (strncmp(s->name, ".zdebug", 7) == 0 && s->size > 12 && memcmp(p, "ZLIB", 4) == 0) {
		uint64_t n = 0;

		for (int i = 4; i < 12; i++)
			n = n << 8 | p[i];
		return inflate_bytes(p + 12, s->size - 12, n, ret);
	}
	*ret = (struct elf_bytes){ .data = p, .n = s->size };
	return 0;
}

void elf_bytes_deinit(struct elf_bytes *b)
{
	free(b->owned);
	*b = (struct elf_bytes){ 0 };
}

const uint8_t *elf_at_vaddr(const struct elf *e, uint64_t vaddr, size_t *ret_n)
{
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *s = &e->segments[i];
		uint64_t into = vaddr - s->vaddr;

		if (s->type != PT_LOAD || vaddr < s->vaddr || into >= s->filesz)
			continue;
		if (s->offset > e->n || into >= e->n - s->offset)
			continue;
		*ret_n = MIN(s->filesz - into, e->n - s->offset - into);
		return e->data + s->offset + into;
	}
	return NULL;
}

/* The kernel maps whole pages, so a segment's mapping begins where its page does and reaches to the
 * end of its last page; the exact bounds are tried before the rounded ones. */
int elf_offset_to_vaddr(const struct elf *e, uint64_t offset, uint64_t *ret_vaddr)
{
	const uint64_t page = 4096;

	for (int pass = 0; pass < 4; pass++) {
		bool want_exec = !(pass & 1), rounded = pass >= 2;

		for (uint32_t i = 0; i < e->n_segments; i++) {
			const struct elf_segment *s = &e->segments[i];
			uint64_t before = rounded ? s->offset % page : 0, start, size;

			if (s->type != PT_LOAD || want_exec != !!(s->flags & PF_X))
				continue;
			start = s->offset - before;
			size = s->filesz + before;
			if (rounded && size <= UINT64_MAX - page)
				size = (size + page - 1) / page * page;
			if (offset < start || offset - start >= size)
				continue;
			*ret_vaddr = s->vaddr - before + (offset - start);
			return 0;
		}
	}
	return -ENOENT;
}

bool elf_has_soname(const struct elf *e)
{
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *s = &e->segments[i];
		Elf64_Dyn entry;

		if (s->type != PT_DYNAMIC || !range_fits(e, s->offset, s->filesz))
			continue;
		for (uint64_t at = 0; s->filesz - at >= sizeof(entry); at += sizeof(entry)) {
			memcpy(&entry, e->data + s->offset + at, sizeof(entry));
			if (entry.d_tag == DT_SONAME)
				return true;
			if (entry.d_tag == DT_NULL)
				break;
		}
	}
	return false;
}

uint32_t elf_crc32(const void *data, size_t n)
{
	return (uint32_t)crc32_z(0, data, n);
}
