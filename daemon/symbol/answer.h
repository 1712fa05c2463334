/* SPDX-License-Identifier: Apache-2.0 */
/* An answer while the worker puts it together; see protocol.h for what it becomes. */
#ifndef PROFD_SYMBOL_ANSWER_H
#define PROFD_SYMBOL_ANSWER_H

#include "base/table.h"
#include "symbol/protocol.h"

struct answer {
	uint32_t flags;
	size_t max;		/* bytes it may become */
	struct array addresses; /* struct answer_address */
	struct array lines;	/* struct answer_line */
	struct strings strings;
};

/* 0 or -ENOMEM. Must not be moved afterwards. */
int answer_init(struct answer *a, size_t n_addresses, size_t max);
void answer_deinit(struct answer *a);

/* The next address; its lines follow by answer_add_line(). 0 or -ENOMEM. */
int answer_add_address(struct answer *a, uint64_t vaddr, uint64_t function_start);
/* A function at the address added last, from the innermost outwards; name is as in the file and is
 * demangled here, plain (may be NULL) what it is called in people's words if known. Too long names
 * are cut and end in "...". Where there is no room the line is left out and the answer marked
 * partial. */
void answer_add_line(struct answer *a, const char *name, size_t name_n, const char *plain,
	const char *file, uint32_t line, uint32_t start_line);
/* Writes it to out. Its size, or -E2BIG. */
int64_t answer_encode(const struct answer *a, uint8_t *out, size_t n);

#endif
