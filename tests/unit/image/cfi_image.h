/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF image of two parts at CFI_BASE: 8 KiB of code (nothing but int3 at first), then call frame
 * information written by hand.
 */
#ifndef PROFD_TEST_IMAGE_CFI_IMAGE_H
#define PROFD_TEST_IMAGE_CFI_IMAGE_H

#include <string.h>
#include "image/unwind_table.h"

#define CFI_BASE   0x400000ULL
#define CFI_CODE_N 0x2000U
#define CFI_FRAMES (CFI_BASE + CFI_CODE_N)
#define CFI_MAX_N  0x10000U

/* def_cfa rsp+8, return address at CFA-8 */
#define CFI_USUAL "\x0c\x07\x08\x90\x01"

struct cfi_image {
	uint8_t bytes[CFI_CODE_N + CFI_MAX_N];
	size_t n; /* of the frames */
	size_t cie;
	bool is_eh, wide;
	uint8_t encoding;
	bool sized;
	struct elf_segment segments[2];
	struct elf_section section;
	struct elf elf;
};

static inline void cfi_put(struct cfi_image *m, const void *p, size_t n)
{
	memcpy(m->bytes + CFI_CODE_N + m->n, p, n);
	m->n += n;
}

static inline void cfi_put_int(struct cfi_image *m, uint64_t v, size_t n)
{
	cfi_put(m, &v, n);
}

static inline void cfi_image_init(struct cfi_image *m, bool is_eh)
{
	memset(m, 0, sizeof(*m));
	memset(m->bytes, 0xcc, CFI_CODE_N);
	m->is_eh = is_eh;
}

static inline size_t cfi_begin(struct cfi_image *m)
{
	size_t at = m->n;

	cfi_put_int(m, m->wide ? UINT32_MAX : 0, 4);
	if (m->wide)
		cfi_put_int(m, 0, 8);
	return at;
}

static inline void cfi_end(struct cfi_image *m, size_t at)
{
	size_t head = m->wide ? 12 : 4;
	uint64_t n = m->n - at - head;

	memcpy(m->bytes + CFI_CODE_N + at + (m->wide ? 4 : 0), &n, m->wide ? 8 : 4);
}

/* augmentation data: `extra`, written only where the string begins with z. */
static inline void cfi_cie(struct cfi_image *m, uint8_t version, const char *augmentation,
	const void *extra, size_t extra_n, const void *program, size_t n)
{
	m->cie = cfi_begin(m);
	cfi_put_int(m, m->is_eh ? 0 : UINT64_MAX, m->wide ? 8 : 4);
	cfi_put_int(m, version, 1);
	cfi_put(m, augmentation, strlen(augmentation) + 1);
	if (version == 4)
		cfi_put(m, "\x08\x00", 2);
	if (strcmp(augmentation, "eh") == 0)
		cfi_put_int(m, 0, 8);
	cfi_put(m, "\x01\x78\x10", 3); /* code 1, data -8, return address 16 */
	m->sized = augmentation[0] == 'z';
	m->encoding = 0;
	if (m->sized) {
		cfi_put_int(m, extra_n, 1);
		cfi_put(m, extra, extra_n);
	}
	cfi_put(m, program, n);
	cfi_end(m, m->cie);
}

/* Begins an FDE up to the place of its address; the program and cfi_end() are the caller's. */
static inline size_t cfi_fde_begin(struct cfi_image *m)
{
	size_t at = cfi_begin(m);

	cfi_put_int(m, m->is_eh ? m->n - m->cie : m->cie, m->wide ? 8 : 4);
	return at;
}

/* Address as absolute 8 bytes, or relative 4 bytes where the encoding is 0x1b. */
static inline void cfi_fde(
	struct cfi_image *m, uint64_t start, uint64_t size, const void *program, size_t n)
{
	size_t at = cfi_fde_begin(m);

	if (m->encoding == 0x1b) {
		cfi_put_int(m, start - (CFI_FRAMES + m->n), 4);
		cfi_put_int(m, size, 4);
	} else {
		cfi_put_int(m, start, 8);
		cfi_put_int(m, size, 8);
	}
	if (m->sized)
		cfi_put_int(m, 0, 1);
	cfi_put(m, program, n);
	cfi_end(m, at);
}

static inline const struct elf *cfi_elf(struct cfi_image *m)
{
	m->segments[0] = (struct elf_segment){ .type = PT_LOAD,
		.flags = PF_R | PF_X,
		.vaddr = CFI_BASE,
		.filesz = CFI_CODE_N + m->n,
		.memsz = CFI_CODE_N + m->n };
	m->section = (struct elf_section){ .name = m->is_eh ? ".eh_frame" : ".debug_frame",
		.type = SHT_PROGBITS,
		.addr = CFI_FRAMES,
		.offset = CFI_CODE_N,
		.size = m->n };
	m->elf = (struct elf){ .data = m->bytes,
		.n = CFI_CODE_N + m->n,
		.type = ET_DYN,
		.machine = EM_X86_64,
		.segments = m->segments,
		.n_segments = 1,
		.sections = &m->section,
		.n_sections = 1 };
	return &m->elf;
}

#endif
