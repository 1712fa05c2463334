/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Function symbols of .symtab and .dynsym, sorted by address. Names are borrowed from the image.
 * A sized symbol covers [value, value + size). One without size (assembler labels too) covers what
 * lies up to the next symbol or the end of its section, where no sized one does.
 */
#ifndef PROFD_IMAGE_SYMTAB_H
#define PROFD_IMAGE_SYMTAB_H

#include "image/elf.h"

struct symtab_symbol {
	uint64_t start, end;
	uint64_t max_end; /* largest `end` of this one and those before it */
	const char *name; /* NUL-terminated */
	uint8_t rank;	  /* smaller is the better name for the same bytes */
};

struct symtab {
	struct symtab_symbol *symbols; /* owned */
	size_t n;
	struct elf_bytes strings, entries; /* what names point into, when it was unpacked */
};

/* type is SHT_SYMTAB or SHT_DYNSYM. 0, -ENODATA: the file has none, -EBADMSG, -ENOMEM, -E2BIG. */
int symtab_init(struct symtab *t, const struct elf *e, uint32_t type);
void symtab_deinit(struct symtab *t);
/* The best symbol that covers vaddr, or NULL. */
const struct symtab_symbol *symtab_lookup(const struct symtab *t, uint64_t vaddr);

#endif
