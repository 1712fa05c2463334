/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ELF file says of itself and of its debug files: build-id, debuglink, debugaltlink. None
 * of it is proof of anything: it only helps to find files whose own build-id is compared
 * afterwards.
 */
#include "image/elf.h"

#include <string.h>

#define NOTE_GNU_BUILD_ID 3U

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) / align * align;
}

static size_t note_build_id(const uint8_t *p, size_t n, uint8_t id[ELF_MAX_BUILD_ID])
{
	while (n >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t name_n, desc_n;

		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		n -= sizeof(h);
		name_n = round_up(h.n_namesz, 4);
		desc_n = round_up(h.n_descsz, 4);
		if (name_n > n || h.n_descsz > n - name_n)
			return 0;
		if (h.n_type == NOTE_GNU_BUILD_ID && h.n_namesz == 4 && memcmp(p, "GNU", 4) == 0 &&
			h.n_descsz > 0 && h.n_descsz <= ELF_MAX_BUILD_ID) {
			memcpy(id, p + name_n, h.n_descsz);
			return h.n_descsz;
		}
		if (desc_n > n - name_n)
			return 0;
		p += name_n + desc_n;
		n -= name_n + desc_n;
	}
	return 0;
}

/* Sections first: in a file of debug sections only, PT_NOTE's offset points at something else. */
size_t elf_build_id(const struct elf *e, uint8_t id[ELF_MAX_BUILD_ID])
{
	for (uint32_t i = 0; i < e->n_sections; i++) {
		const struct elf_section *s = &e->sections[i];
		size_t n = 0;

		if (s->type == SHT_NOTE && elf_section_has_bytes(e, s))
			n = note_build_id(e->data + s->offset, s->size, id);
		if (n > 0)
			return n;
	}
	if (e->n_sections > 0 && elf_find_section(e, NULL, SHT_NOTE))
		return 0;
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *s = &e->segments[i];
		size_t n;

		if (s->type != PT_NOTE || s->offset > e->n || s->filesz > e->n - s->offset)
			continue;
		n = note_build_id(e->data + s->offset, s->filesz, id);
		if (n > 0)
			return n;
	}
	return 0;
}

/* The content of a small link section that begins with a non-empty NUL-terminated name. */
static const char *link_name(
	const struct elf *e, const char *section, const uint8_t **ret_rest, size_t *ret_n)
{
	const struct elf_section *s = elf_find_section(e, section, SHT_NULL);
	const uint8_t *p, *nul;

	if (!s || (s->flags & SHF_COMPRESSED) || !elf_section_has_bytes(e, s))
		return NULL;
	p = e->data + s->offset;
	nul = memchr(p, 0, s->size);
	if (!nul || nul == p)
		return NULL;
	*ret_rest = nul + 1;
	*ret_n = s->size - (size_t)(nul + 1 - p);
	return (const char *)p;
}

const char *elf_debuglink(const struct elf *e, uint32_t *ret_crc)
{
	const uint8_t *rest;
	size_t n, pad;
	const char *name = link_name(e, ".gnu_debuglink", &rest, &n);

	if (!name)
		return NULL;
	pad = round_up(strlen(name) + 1, 4) - (strlen(name) + 1);
	if (n < pad + 4)
		return NULL;
	memcpy(ret_crc, rest + pad, 4);
	return name;
}

const char *elf_altlink(const struct elf *e, uint8_t id[ELF_MAX_BUILD_ID], size_t *ret_id_n)
{
	const uint8_t *rest;
	size_t n;
	const char *name = link_name(e, ".gnu_debugaltlink", &rest, &n);

	if (!name || n == 0 || n > ELF_MAX_BUILD_ID)
		return NULL;
	memcpy(id, rest, n);
	*ret_id_n = n;
	return name;
}
