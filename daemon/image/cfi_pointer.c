/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded pointers of call frame information (LSB Core, "DWARF Exception Header Encoding"). Owns
 * nothing. Memory of the target's file is read through elf.c only.
 */
#include "image/cfi.h"

#include <string.h>

#define DW_EH_PE_INDIRECT 0x80U
#define DW_EH_PE_ALIGNED  0x50U

enum {
	ABSPTR = 0,
	ULEB = 1,
	UDATA2 = 2,
	UDATA4 = 3,
	UDATA8 = 4,
	SIGNED = 8,
	SLEB = 9,
	SDATA2 = 10,
	SDATA4 = 11,
	SDATA8 = 12,
};
enum { PCREL = 0x10, TEXTREL = 0x20, DATAREL = 0x30, FUNCREL = 0x40 };

static uint64_t read_address(struct reader *r, uint8_t size)
{
	switch (size) {
	case 2:
		return reader_u16(r);
	case 4:
		return reader_u32(r);
	case 8:
		return reader_u64(r);
	default:
		r->bad = true;
		return 0;
	}
}

bool cfi_pointer(const struct cfi *c, const struct cfi_section *s, struct reader *r,
	uint8_t encoding, uint8_t address_size, uint64_t function, uint64_t *ret)
{
	uint64_t at = s->vaddr + reader_offset(r), v = 0, base = 0;
	const uint8_t *p;
	int32_t word;
	size_t n;

	/* What x86-64 compilers write. */
	if (encoding == (PCREL | SDATA4) && reader_left(r) >= sizeof(word)) {
		memcpy(&word, r->at, sizeof(word));
		r->at += sizeof(word);
		*ret = word ? at + (uint64_t)(int64_t)word : 0;
		return true;
	}
	if (encoding == DW_EH_PE_ALIGNED) {
		reader_skip(r, (8 - at % 8) % 8);
		*ret = reader_u64(r);
		return !r->bad;
	}
	switch (encoding & 0x70) {
	case 0:
		break;
	case PCREL:
		base = at;
		break;
	case TEXTREL:
		base = c->text;
		break;
	case DATAREL:
		base = c->data;
		break;
	case FUNCREL:
		base = function;
		break;
	default:
		r->bad = true;
	}
	switch (encoding & 0x0f) {
	case ABSPTR:
	case SIGNED:
		v = read_address(r, address_size);
		break;
	case ULEB:
		v = reader_uleb(r);
		break;
	case UDATA2:
		v = reader_u16(r);
		break;
	case UDATA4:
		v = reader_u32(r);
		break;
	case UDATA8:
	case SDATA8:
		v = reader_u64(r);
		break;
	case SLEB:
		v = (uint64_t)reader_sleb(r);
		break;
	case SDATA2:
		v = (uint64_t)(int64_t)(int16_t)reader_u16(r);
		break;
	case SDATA4:
		v = (uint64_t)(int64_t)(int32_t)reader_u32(r);
		break;
	default:
		r->bad = true;
	}
	if (r->bad)
		return false;
	/* A pointer of 0 is none, whatever it would be relative to (gcc's unwind-pe.h). */
	if (v != 0)
		v += base;
	if (encoding & DW_EH_PE_INDIRECT) {
		p = elf_at_vaddr(c->elf, v, &n);
		if (!p || n < sizeof(v)) {
			r->bad = true;
			return false;
		}
		memcpy(&v, p, sizeof(v));
	}
	*ret = v;
	return true;
}
