/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions, lines and inlining out of DWARF 2 to 5, through libdw, also with a dwz supplementary
 * file. Only for the sandboxed worker: libdw is no boundary against a crafted file.
 */
#ifndef PROFD_IMAGE_DWARF_H
#define PROFD_IMAGE_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/table.h"

/* Strings are borrowed from the debug_info. */
struct debug_frame {
	const char *name;	   /* NULL: unknown (assembler) */
	const char *linkage_name;  /* NULL: the same as name */
	const char *file;	   /* NULL: unknown */
	uint32_t line, start_line; /* 0: unknown */
};

struct debug_address {
	uint64_t function_start; /* 0: unknown */
	uint32_t first, n; /* in debug_info_frames(); innermost inlined first; n 0: not covered */
};

struct debug_info;

/* Both images are borrowed while it lives, and private, writable memory: libelf notes in their
 * section headers what it unpacked. alt is the dwz file, NULL when there is none. 0, -ENODATA: no
 * DWARF that libdw can read, -ENOMEM. */
int debug_info_new(struct debug_info **ret, void *data, size_t n, void *alt, size_t alt_n);
struct debug_info *debug_info_free(struct debug_info *d);

/* Looks up n vaddrs, sorted and distinct. 0, or 1: stopped at deadline_ns (CLOCK_MONOTONIC), what
 * comes after that is not covered; -ENOMEM. */
int debug_info_lookup(struct debug_info *d, const uint64_t *vaddrs, size_t n, uint64_t deadline_ns,
	struct debug_address *ret);
const struct debug_frame *debug_info_frames(
	const struct debug_info *d, const struct debug_address *a);

#endif
