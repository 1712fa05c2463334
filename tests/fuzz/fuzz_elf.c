/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: image base
/* ELF headers, links, symbols and .eh_frame_hdr of any bytes. */
#include <stdlib.h>
#include <string.h>
#include "image/ehframe.h"
#include "image/elf.h"
#include "image/symtab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ask_symbols(const struct elf *e, uint32_t type, uint64_t vaddr)
{
	struct symtab t;
	const struct symtab_symbol *s;

	if (symtab_init(&t, e, type) < 0)
		return;
	s = symtab_lookup(&t, vaddr);
	if (s && (s->start > vaddr || s->end <= vaddr || strlen(s->name) == 0))
		abort();
	symtab_deinit(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t id[ELF_MAX_BUILD_ID];
	struct ehframe frames;
	struct elf_bytes bytes;
	struct elf e;
	uint32_t crc;
	uint64_t vaddr = 0, start, end;
	size_t id_n;

	if (elf_init(&e, data, n) < 0)
		return 0;
	if (elf_build_id(&e, id) > sizeof(id))
		abort();
	if (elf_debuglink(&e, &crc) && strlen(elf_debuglink(&e, &crc)) == 0)
		abort();
	(void)elf_altlink(&e, id, &id_n);
	for (uint32_t i = 0; i < e.n_sections && i < 64; i++) {
		if (e.sections[i].flags & SHF_COMPRESSED &&
			elf_section_bytes(&e, &e.sections[i], &bytes) == 0)
			elf_bytes_deinit(&bytes);
	}
	for (uint32_t i = 0; i < e.n_segments && i < 16; i++) {
		if (elf_offset_to_vaddr(&e, e.segments[i].offset + 8, &vaddr) < 0)
			continue;
		ask_symbols(&e, SHT_SYMTAB, vaddr);
		ask_symbols(&e, SHT_DYNSYM, vaddr);
		if (ehframe_init(&frames, &e) == 0 &&
			ehframe_lookup(&frames, vaddr, &start, &end) == 0 &&
			(start > vaddr || end - start <= vaddr - start))
			abort();
	}
	elf_deinit(&e);
	return 0;
}
