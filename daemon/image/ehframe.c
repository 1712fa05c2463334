/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing: reads the image in place. The table is a target's: an unsorted one gives wrong or
 * no starts, but every start is confirmed by an FDE whose range contains the address.
 */
#include "image/ehframe.h"

#include <errno.h>
#include <string.h>
#include "base/bytes.h"

#define DW_EH_PE_ABSPTR	 0x00U
#define DW_EH_PE_UDATA4	 0x03U
#define DW_EH_PE_SDATA4	 0x0bU
#define DW_EH_PE_UDATA8	 0x04U
#define DW_EH_PE_SDATA8	 0x0cU
#define DW_EH_PE_PCREL	 0x10U
#define DW_EH_PE_DATAREL 0x30U

int ehframe_init(struct ehframe *f, const struct elf *e)
{
	const struct elf_section *s = elf_find_section(e, ".eh_frame_hdr", SHT_NULL);
	const uint8_t *p = NULL;
	size_t n = 0;
	uint32_t count;

	*f = (struct ehframe){ .elf = e };
	for (uint32_t i = 0; i < e->n_segments && !p; i++) {
		if (e->segments[i].type != PT_GNU_EH_FRAME)
			continue;
		f->hdr_vaddr = e->segments[i].vaddr;
		p = elf_at_vaddr(e, f->hdr_vaddr, &n);
	}
	if (!p && s) {
		f->hdr_vaddr = s->addr;
		p = elf_at_vaddr(e, f->hdr_vaddr, &n);
	}
	if (!p || n < 12)
		return -ENODATA;
	if (p[0] != 1 || p[1] != (DW_EH_PE_PCREL | DW_EH_PE_SDATA4) || p[2] != DW_EH_PE_UDATA4 ||
		p[3] != (DW_EH_PE_DATAREL | DW_EH_PE_SDATA4))
		return -EOPNOTSUPP;
	memcpy(&count, p + 8, sizeof(count));
	f->table = p + 12;
	f->n = MIN(count, (n - 12) / 8);
	return f->n > 0 ? 0 : -ENODATA;
}

static uint64_t table_start(const struct ehframe *f, size_t i)
{
	int32_t v;

	memcpy(&v, f->table + i * 8, sizeof(v));
	return f->hdr_vaddr + (uint64_t)(int64_t)v;
}

/* The pointer encoding ('R' augmentation) of the CIE at cie; -1: not understood. */
static int cie_encoding(struct reader *r)
{
	const char *augmentation;
	uint8_t version;
	int encoding = DW_EH_PE_ABSPTR;

	version = reader_u8(r);
	augmentation = reader_cstr(r);
	if (!augmentation || (version != 1 && version != 3))
		return -1;
	if (augmentation[0] == '\0')
		return r->bad ? -1 : encoding;
	if (augmentation[0] != 'z')
		return -1;
	(void)reader_uleb(r); /* code alignment */
	(void)reader_sleb(r); /* data alignment */
	if (version == 1)
		(void)reader_u8(r);
	else
		(void)reader_uleb(r); /* return address register */
	(void)reader_uleb(r);	      /* length of the augmentation data */
	for (const char *a = augmentation + 1; *a && !r->bad; a++) {
		uint8_t e;

		switch (*a) {
		case 'R':
			return reader_u8(r);
		case 'L':
			(void)reader_u8(r);
			break;
		case 'P':
			e = reader_u8(r) & 0x0f;
			if (e == DW_EH_PE_SDATA4 || e == DW_EH_PE_UDATA4)
				reader_skip(r, 4);
			else if (e == DW_EH_PE_ABSPTR || e == DW_EH_PE_SDATA8 ||
				 e == DW_EH_PE_UDATA8)
				reader_skip(r, 8);
			else
				return -1;
			break;
		case 'S':
		case 'B':
			break;
		default:
			return -1;
		}
	}
	return r->bad ? -1 : encoding;
}

static int fde_range(
	const struct ehframe *f, uint64_t fde_vaddr, uint64_t *ret_start, uint64_t *ret_n)
{
	size_t n, cie_n;
	const uint8_t *p = elf_at_vaddr(f->elf, fde_vaddr, &n), *cie;
	uint32_t length, back;
	uint64_t at = fde_vaddr + 8, start, size;
	int encoding;

	if (!p || n < 8)
		return -EBADMSG;
	struct reader r = READER_INIT(p, n);
	length = reader_u32(&r);
	back = reader_u32(&r);
	if (length == UINT32_MAX || back == 0 || fde_vaddr + 4 < back)
		return -EBADMSG;
	cie = elf_at_vaddr(f->elf, fde_vaddr + 4 - back, &cie_n);
	if (!cie || cie_n < 8)
		return -EBADMSG;
	struct reader c = READER_INIT(cie, cie_n);
	reader_skip(&c, 4);
	if (reader_u32(&c) != 0)
		return -EBADMSG;
	encoding = cie_encoding(&c);
	switch (encoding < 0 ? 0xff : encoding & 0x0f) {
	case DW_EH_PE_SDATA4:
		start = (uint64_t)(int64_t)(int32_t)reader_u32(&r);
		size = reader_u32(&r);
		break;
	case DW_EH_PE_UDATA4:
		start = reader_u32(&r);
		size = reader_u32(&r);
		break;
	case DW_EH_PE_ABSPTR:
	case DW_EH_PE_SDATA8:
	case DW_EH_PE_UDATA8:
		start = reader_u64(&r);
		size = reader_u64(&r);
		break;
	default:
		return -EBADMSG;
	}
	if ((encoding & 0x70) == DW_EH_PE_PCREL)
		start += at;
	else if ((encoding & 0xf0) != 0)
		return -EBADMSG;
	if (r.bad)
		return -EBADMSG;
	*ret_start = start;
	*ret_n = size;
	return 0;
}

int ehframe_lookup(const struct ehframe *f, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end)
{
	size_t low = 0, high = f->n;
	uint64_t start, size;
	int32_t fde;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table_start(f, middle) <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return -ENOENT;
	memcpy(&fde, f->table + (low - 1) * 8 + 4, sizeof(fde));
	if (fde_range(f, f->hdr_vaddr + (uint64_t)(int64_t)fde, &start, &size) < 0)
		return -ENOENT;
	if (vaddr < start || vaddr - start >= size)
		return -ENOENT;
	*ret_start = start;
	*ret_end = start + size;
	return 0;
}
