/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/kallsyms: `ADDRESS TYPE NAME[\t[MODULE]]` (proc(5)); modules and BPF programs are in it
 * with a bracketed owner. Symbols have no size: one reaches to the next, of whatever type.
 */
#ifndef PROFD_IMAGE_KALLSYMS_H
#define PROFD_IMAGE_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

struct kallsyms_symbol {
	uint64_t address;
	uint32_t offset; /* of the name in the text */
	uint16_t name_n;
	char type;
};

struct kallsyms {
	const char *text;		 /* borrowed */
	struct kallsyms_symbol *symbols; /* owned, by address, then as in the file */
	size_t n;
};

/* 0, -EPERM: all addresses are zero (kptr_restrict), -EBADMSG: no line can be read, -E2BIG,
 * -ENOMEM. */
int kallsyms_init(struct kallsyms *k, const char *text, size_t n);
void kallsyms_deinit(struct kallsyms *k);
/* The function that covers the address (kallsyms_name() has its name), or NULL. */
const struct kallsyms_symbol *kallsyms_lookup(const struct kallsyms *k, uint64_t address);
static inline const char *kallsyms_name(const struct kallsyms *k, const struct kallsyms_symbol *s)
{
	return k->text + s->offset;
}

#endif
