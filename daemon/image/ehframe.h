/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where functions begin, from the sorted table of .eh_frame_hdr and the FDEs it points to; for what
 * has no symbol. Format: LSB Core, "Exception Frames".
 */
#ifndef PROFD_IMAGE_EHFRAME_H
#define PROFD_IMAGE_EHFRAME_H

#include "image/elf.h"

struct ehframe {
	const struct elf *elf; /* borrowed */
	const uint8_t *table;  /* pairs of int32: function start, FDE; both from hdr_vaddr */
	size_t n;
	uint64_t hdr_vaddr;
};

/* 0, -ENODATA: the file has none, -EOPNOTSUPP: not the encoding that linkers write. */
int ehframe_init(struct ehframe *f, const struct elf *e);
/* The range of the function (or part of one) that contains vaddr. 0 or -ENOENT. */
int ehframe_lookup(const struct ehframe *f, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end);

#endif
