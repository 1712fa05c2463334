/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's pclntab: function names, files, lines and inlining of every Go function, also in stripped
 * programs. Formats 1.2, 1.16, 1.18 and 1.20 (Go source: debug/gosym/pclntab.go,
 * runtime/symtab.go). Where the base of the inline trees cannot be found, or the version is newer
 * than the layouts known, there are no inlined functions rather than wrong ones.
 */
#ifndef PROFD_IMAGE_PCLNTAB_H
#define PROFD_IMAGE_PCLNTAB_H

#include "base/limits.h"
#include "image/elf.h"
#include "image/goinfo.h"

enum pclntab_version { PCLNTAB_1_2, PCLNTAB_1_16, PCLNTAB_1_18, PCLNTAB_1_20 };

struct pclntab {
	const struct elf *elf; /* borrowed */
	struct elf_bytes bytes;
	enum pclntab_version version;
	uint8_t quantum;
	uint64_t vaddr, text, gofunc; /* gofunc 0: no inline trees (1.18 and later) */
	uint64_t n_functions;
	uint64_t names, units, files, pcs, functions; /* offsets in bytes; functions: ftab */
	bool inlines;
};

struct pclntab_frame {
	const char *name;	   /* borrowed, NUL-terminated; "" unknown */
	const char *file;	   /* "" unknown */
	uint32_t line, start_line; /* 0 unknown */
};

/* go is what goinfo_read() gave. 0, -ENODATA: none found, -EBADMSG: it is not usable, -ENOMEM. */
int pclntab_init(struct pclntab *t, const struct elf *e, const struct goinfo *go);
void pclntab_deinit(struct pclntab *t);
/* The functions at vaddr, innermost inlined first. The number of frames (at least 1), or -ENOENT.
 */
int pclntab_lookup(const struct pclntab *t, uint64_t vaddr,
	struct pclntab_frame frames[LIMIT_INLINE_DEPTH], uint64_t *ret_start);

#endif
