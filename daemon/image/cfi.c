/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of CIEs and FDEs, and sections that had to be unpacked. Does not run instructions:
 * cfi_run.c. The sections are a target's: a record is read inside of its own length only, a broken
 * one is counted and left out, and every record costs a bounded amount of memory.
 *
 * Invariant: `cies` is in order of section and offset, so that an FDE's is found by search.
 */
#include "image/cfi.h"

#include <errno.h>
#include <string.h>

#define DW_EH_PE_OMIT	 0xffU
#define DW_EH_PE_ALIGNED 0x50U
#define DW_EH_PE_DATAREL 0x30U

/* The head of a record. */
struct record {
	uint32_t at, end; /* offsets in the section: of the length, of the record behind it */
	uint64_t id;	  /* of the CIE, as it is written */
	uint32_t id_at;	  /* offset of the id */
	bool wide;	  /* 64-bit form */
};

void cfi_init(struct cfi *c, const struct cfi_machine *machine, const struct elf *elf)
{
	const struct elf_section *text = elf_find_section(elf, ".text", SHT_NULL);
	const struct elf_section *got = elf_find_section(elf, ".got.plt", SHT_NULL);

	if (!got)
		got = elf_find_section(elf, ".got", SHT_NULL);
	*c = (struct cfi){
		.machine = machine,
		.elf = elf,
		.text = text ? text->addr : 0,
		.data = got ? got->addr : 0,
		.cies = ARRAY_INIT(struct cfi_cie, CFI_MAX_CIES),
		.fdes = ARRAY_INIT(struct cfi_fde, CFI_MAX_FDES),
	};
}

void cfi_deinit(struct cfi *c)
{
	for (uint32_t i = 0; i < c->n_sections; i++)
		elf_bytes_deinit(&c->sections[i].bytes);
	array_deinit(&c->cies);
	array_deinit(&c->fdes);
	*c = (struct cfi){ 0 };
}

/* ---- records ---- */

/* 1 and the record, 0: the end (or no sense in going on). A record of length 0 has at == end - 4
 * and no id. */
static int next_record(const struct cfi_section *s, uint32_t at, struct record *ret)
{
	struct reader r = READER_INIT(s->bytes.data, s->bytes.n);
	struct record record = { .at = at };
	uint64_t length;

	/* Nearly all: the 32-bit form with an id. */
	if (at < s->bytes.n && s->bytes.n - at >= 8) {
		uint32_t word[2];

		memcpy(word, s->bytes.data + at, sizeof(word));
		if (word[0] >= 4 && word[0] <= s->bytes.n - at - 4 && word[0] < 0xfffffff0U) {
			*ret = (struct record){
				.at = at, .end = at + 4 + word[0], .id = word[1], .id_at = at + 4
			};
			return 1;
		}
	}
	reader_seek(&r, at);
	if (reader_left(&r) < 4)
		return 0;
	length = reader_u32(&r);
	if (length == UINT32_MAX) {
		record.wide = true;
		length = reader_u64(&r);
	} else if (length >= 0xfffffff0U) {
		return 0;
	}
	if (r.bad || length > reader_left(&r))
		return 0;
	record.id_at = (uint32_t)reader_offset(&r);
	record.end = record.id_at + (uint32_t)length;
	if (length >= (record.wide ? 8 : 4))
		record.id = record.wide ? reader_u64(&r) : reader_u32(&r);
	else
		record.id_at = record.end;
	*ret = record;
	return 1;
}

static bool is_cie(const struct cfi_section *s, const struct record *r)
{
	if (s->is_eh)
		return r->id == 0;
	return r->id == (r->wide ? UINT64_MAX : UINT32_MAX);
}

/* A reader of the record's content behind the id. Offsets are those of the section. */
static struct reader open_record(const struct cfi_section *s, const struct record *record)
{
	struct reader r = READER_INIT(s->bytes.data, record->end);

	reader_seek(&r, record->id_at + (record->wide ? 8 : 4));
	return r;
}

/* What the letters behind 'z' say; data is their data. */
static void read_augmentation(
	const struct cfi *c, struct cfi_cie *cie, const char *letters, struct reader *data)
{
	uint64_t ignored;
	uint8_t encoding;

	for (const char *a = letters; *a && !data->bad; a++) {
		switch (*a) {
		case 'R':
			cie->encoding = reader_u8(data);
			break;
		case 'L':
			reader_skip(data, 1);
			break;
		case 'P':
			/* Only stepped over: where it points is of no interest. */
			encoding = reader_u8(data) & 0x7f;
			if (encoding != DW_EH_PE_ALIGNED)
				encoding &= 0x0f;
			(void)cfi_pointer(c, &c->sections[cie->section], data, encoding,
				cie->address_size, 0, &ignored);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B':
		case 'G':
			break;
		default:
			return;
		}
	}
}

static bool parse_cie(const struct cfi *c, const struct cfi_section *s, const struct record *record,
	struct cfi_cie *cie)
{
	struct reader r = open_record(s, record);
	uint8_t version = reader_u8(&r);
	const char *augmentation = reader_cstr(&r);
	uint64_t n;

	if (!augmentation || version == 0 || version == 2 || version > 4)
		return false;
	cie->address_size = 8;
	if (version == 4) {
		cie->address_size = reader_u8(&r);
		cie->segment_size = reader_u8(&r);
	}
	if (strcmp(augmentation, "eh") == 0)
		reader_skip(&r, 8);
	else if (augmentation[0] != '\0' && augmentation[0] != 'z')
		return false;
	cie->code_align = reader_uleb(&r);
	cie->data_align = reader_sleb(&r);
	n = version == 1 ? reader_u8(&r) : reader_uleb(&r);
	if (r.bad || n > UINT16_MAX || cie->code_align > UINT32_MAX)
		return false;
	cie->ra = (uint32_t)n;
	if (augmentation[0] == 'z') {
		n = reader_uleb(&r);
		if (r.bad || n > reader_left(&r))
			return false;
		cie->sized = true;
		struct reader data = { .start = r.start, .at = r.at, .end = r.at + n };
		read_augmentation(c, cie, augmentation + 1, &data);
		if (data.bad || cie->encoding == DW_EH_PE_OMIT)
			return false;
		reader_skip(&r, n);
	}
	return !r.bad &&
	       cfi_run_initial(c, cie, (uint32_t)reader_offset(&r), (uint32_t)reader_left(&r)) == 0;
}

static uint64_t cie_key(uint64_t section, uint64_t at)
{
	return section << 32 | at;
}

/* Index of the CIE at an offset of the section, `hint` tried first; -1: none. */
static int64_t find_cie(const struct cfi *c, uint32_t section, uint64_t at, uint32_t hint)
{
	size_t low = 0, high = c->cies.n;
	const struct cfi_cie *cie;

	if (at > UINT32_MAX)
		return -1;
	if (hint < c->cies.n) {
		cie = ARRAY_AT(&c->cies, struct cfi_cie, hint);
		if (cie->at == at && cie->section == section)
			return hint;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		cie = ARRAY_AT(&c->cies, struct cfi_cie, middle);
		if (cie_key(cie->section, cie->at) < cie_key(section, at))
			low = middle + 1;
		else
			high = middle;
	}
	if (low >= c->cies.n)
		return -1;
	cie = ARRAY_AT(&c->cies, struct cfi_cie, low);
	return cie->at == at && cie->section == section ? (int64_t)low : -1;
}

/* 0, -ENOMEM or -E2BIG. What is broken is counted. */
static int add_fde(struct cfi *c, uint32_t section, const struct record *record, uint32_t *hint)
{
	const struct cfi_section *s = &c->sections[section];
	struct reader r = open_record(s, record);
	uint64_t at = s->is_eh ? record->id_at - record->id : record->id, start, size;
	int64_t index = find_cie(c, section, at, *hint);
	const struct cfi_cie *cie;
	struct cfi_fde *fde;
	bool ok;

	if (index < 0) {
		c->bad++;
		return 0;
	}
	*hint = (uint32_t)index;
	cie = ARRAY_AT(&c->cies, struct cfi_cie, index);
	reader_skip(&r, cie->segment_size);
	ok = cie->usable && cfi_pointer(c, s, &r, cie->encoding, cie->address_size, 0, &start) &&
	     cfi_pointer(c, s, &r, cie->encoding & 0x0f, cie->address_size, 0, &size);
	if (ok && cie->sized)
		reader_skip(&r, reader_uleb(&r));
	if (!ok || r.bad) {
		c->bad++;
		return 0;
	}
	/* What the linker dropped: at 0, at a tombstone (-1, -2), of no size. */
	if (start == 0 || size == 0 || start + size < start)
		return 0;
	fde = array_push(&c->fdes);
	if (!fde)
		return c->fdes.n >= CFI_MAX_FDES ? -E2BIG : -ENOMEM;
	*fde = (struct cfi_fde){ .start = start,
		.end = start + size,
		.at = (uint32_t)reader_offset(&r),
		.n = (uint32_t)reader_left(&r),
		.cie = (uint32_t)index };
	return 0;
}

static int add_cie(struct cfi *c, uint32_t section, const struct record *record)
{
	struct cfi_cie *cie = array_push(&c->cies);

	if (!cie)
		return c->cies.n >= CFI_MAX_CIES ? -E2BIG : -ENOMEM;
	cie->at = record->at;
	cie->section = (uint8_t)section;
	cie->usable = parse_cie(c, &c->sections[section], record, cie);
	if (!cie->usable)
		c->bad++;
	return 0;
}

/* Linkers put a record of length 0 at the end of the section, startup files one in its middle: the
 * section's size is its end. */
static int walk(struct cfi *c, uint32_t section, bool stop_at_zero)
{
	const struct cfi_section *s = &c->sections[section];
	uint32_t hint = CFI_NO_REGISTER;
	struct record record;
	int r = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t at = 0; next_record(s, at, &record); at = record.end) {
			if (record.id_at == record.end) {
				if (stop_at_zero)
					break;
				continue;
			}
			if (pass == 0 && is_cie(s, &record))
				r = add_cie(c, section, &record);
			else if (pass == 1 && !is_cie(s, &record))
				r = add_fde(c, section, &record, &hint);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int add_section(
	struct cfi *c, const struct elf *e, const struct elf_section *found, bool is_eh)
{
	struct cfi_section *s = &c->sections[c->n_sections];
	int r;

	if (c->n_sections >= ARRAY_SIZE(c->sections))
		return -E2BIG;
	r = elf_section_bytes(e, found, &s->bytes);
	if (r < 0)
		return r;
	s->vaddr = is_eh ? found->addr : 0;
	s->is_eh = is_eh;
	c->n_sections++;
	return s->bytes.n > INT32_MAX ? -E2BIG : 0;
}

/* ---- without section headers ---- */

/* The .eh_frame that .eh_frame_hdr points to, to the end of its segment: its size is not known, so
 * it ends at the first record of length 0. */
static int read_by_header(struct cfi *c)
{
	struct cfi_section header = { 0 }, *s = &c->sections[c->n_sections];
	uint64_t frames;
	uint8_t encoding;

	if (c->n_sections >= ARRAY_SIZE(c->sections))
		return -E2BIG;
	for (uint32_t i = 0; i < c->elf->n_segments && !header.bytes.data; i++) {
		if (c->elf->segments[i].type != PT_GNU_EH_FRAME)
			continue;
		header.vaddr = c->elf->segments[i].vaddr;
		header.bytes.data = elf_at_vaddr(c->elf, header.vaddr, &header.bytes.n);
	}
	if (!header.bytes.data)
		return -ENODATA;
	struct reader r = READER_INIT(header.bytes.data, header.bytes.n);
	if (reader_u8(&r) != 1)
		return -ENODATA;
	encoding = reader_u8(&r);
	reader_skip(&r, 2);
	if (encoding == DW_EH_PE_OMIT || (encoding & 0x70) == DW_EH_PE_DATAREL ||
		!cfi_pointer(c, &header, &r, encoding, 8, 0, &frames))
		return -ENODATA;
	s->bytes.data = elf_at_vaddr(c->elf, frames, &s->bytes.n);
	if (!s->bytes.data)
		return -ENODATA;
	s->bytes.n = MIN(s->bytes.n, (size_t)INT32_MAX);
	s->vaddr = frames;
	s->is_eh = true;
	return walk(c, c->n_sections++, true);
}

int cfi_read_eh_frame(struct cfi *c)
{
	const struct elf_section *s = elf_find_section(c->elf, ".eh_frame", SHT_NULL);
	size_t before = c->fdes.n;
	int r;

	if (s && elf_section_has_bytes(c->elf, s)) {
		r = add_section(c, c->elf, s, true);
		if (r == 0)
			r = walk(c, c->n_sections - 1, false);
	} else {
		r = read_by_header(c);
	}
	if (r == 0 && c->fdes.n == before)
		return -ENODATA;
	return r;
}

int cfi_read_debug_frame(struct cfi *c, const struct elf *e)
{
	static const char *const names[] = { ".debug_frame", ".zdebug_frame" };
	size_t before = c->fdes.n;
	int r = -ENODATA;

	for (size_t i = 0; i < ARRAY_SIZE(names) && r == -ENODATA; i++) {
		const struct elf_section *s = elf_find_section(e, names[i], SHT_NULL);

		if (!s)
			continue;
		r = add_section(c, e, s, false);
		if (r == 0)
			r = walk(c, c->n_sections - 1, false);
	}
	if (r == 0 && c->fdes.n == before)
		return -ENODATA;
	return r;
}
