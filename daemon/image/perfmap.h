/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /tmp/perf-PID.map: lines `START SIZE NAME`, hexadecimal, the name is the rest of the line. Code
 * moves and is written over, so a later line wins where two overlap (Linux,
 * tools/perf/Documentation/ jit-interface.txt).
 */
#ifndef PROFD_IMAGE_PERFMAP_H
#define PROFD_IMAGE_PERFMAP_H

#include <stddef.h>
#include <stdint.h>

struct perfmap_entry {
	const char
		*name; /* borrowed from the text, name_n bytes; NULL: no line covers the address */
	size_t name_n;
	uint64_t start;
};

/* Looks up n addresses that are sorted and distinct. Lines that cannot be read, are longer than
 * LIMIT_PERF_MAP_LINE or not ended yet are passed over. 0 or -ENOMEM. */
int perfmap_lookup(const char *text, size_t text_n, const uint64_t *addresses, size_t n,
	struct perfmap_entry *ret);

#endif
