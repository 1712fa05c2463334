/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded reader of 64-bit little-endian ELF files that are in memory as a whole. Borrows the
 * bytes. Every offset and count of the file is checked against its size; what does not fit is left
 * out. Format: System V gABI, chapters 4 and 5; GNU build-id note; GNU debuglink (GDB manual,
 * "Separate Debug Files"); .gnu_debugaltlink (dwz(1)).
 */
#ifndef PROFD_IMAGE_ELF_H
#define PROFD_IMAGE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"

#define ELF_MAX_SECTIONS      65536U
#define ELF_MAX_SEGMENTS      256U
#define ELF_MAX_BUILD_ID      32U
#define ELF_MAX_SECTION_BYTES (1ULL << 30) /* of one compressed section, unpacked */

struct elf_section {
	const char *name; /* borrowed; "" where it has none that fits */
	uint32_t type, link;
	uint64_t flags, addr, offset, size, entsize;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, filesz, memsz;
};

struct elf {
	const uint8_t *data; /* borrowed */
	size_t n;
	uint16_t type, machine;
	struct elf_section *sections; /* owned */
	uint32_t n_sections;
	struct elf_segment *segments; /* owned */
	uint32_t n_segments;
};

/* The bytes of a section: in place, or unpacked and owned. */
struct elf_bytes {
	const uint8_t *data;
	size_t n;
	void *owned;
};

/* 0, -EBADMSG: not such an ELF file, -ENOMEM. Broken section or program headers are no error: there
 * are fewer sections or segments. */
int elf_init(struct elf *e, const void *data, size_t n);
void elf_deinit(struct elf *e);

/* The first section of that name (NULL name: any) and type (SHT_NULL: any), or NULL. */
const struct elf_section *elf_find_section(const struct elf *e, const char *name, uint32_t type);
/* The section of that index, or NULL. */
const struct elf_section *elf_section_at(const struct elf *e, uint32_t index);
/* True where the section's content is in this file. */
bool elf_section_has_bytes(const struct elf *e, const struct elf_section *s);
/* 0, -ENODATA: no content in the file, -EBADMSG, -E2BIG, -EOPNOTSUPP: a compression other than
 * zlib, -ENOMEM. */
int elf_section_bytes(const struct elf *e, const struct elf_section *s, struct elf_bytes *ret);
void elf_bytes_deinit(struct elf_bytes *b);

/* The content at a virtual address, to the end of its PT_LOAD's file part; NULL: not in the file.
 */
const uint8_t *elf_at_vaddr(const struct elf *e, uint64_t vaddr, size_t *ret_n);
/* Through the PT_LOAD that contains the offset, an executable one first, page-rounded as the kernel
 * maps it. 0 or -ENOENT. */
int elf_offset_to_vaddr(const struct elf *e, uint64_t offset, uint64_t *ret_vaddr);

/* A shared object that says how it is called, as no program does. */
bool elf_has_soname(const struct elf *e);

/* Bytes of the GNU build-id: its length, 0 where there is none. */
size_t elf_build_id(const struct elf *e, uint8_t id[ELF_MAX_BUILD_ID]);
/* Name in .gnu_debuglink (borrowed) and the CRC-32 of the file meant; NULL: none. */
const char *elf_debuglink(const struct elf *e, uint32_t *ret_crc);
/* Name in .gnu_debugaltlink (borrowed) and the build-id of the file meant; NULL: none. */
const char *elf_altlink(const struct elf *e, uint8_t id[ELF_MAX_BUILD_ID], size_t *ret_id_n);
/* The checksum that a debuglink gives. */
uint32_t elf_crc32(const void *data, size_t n);

#endif
