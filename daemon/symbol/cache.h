/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the addresses of modules: checked answers, with their strings interned. */
#ifndef PROFD_SYMBOL_CACHE_H
#define PROFD_SYMBOL_CACHE_H

#include "base/table.h"
#include "symbol/protocol.h"
#include "symbol/symbolizer.h"

#define CACHE_MAX_ADDRESSES (4U << 20)	/* of one module */
#define CACHE_MAX_LINES	    (32U << 20) /* of all */

/* The addresses of one module. Must not be moved: its index points to it. */
struct cache_module {
	struct array addresses; /* struct symbol_address */
	struct table index;	/* by offset */
};

/* Lines of all modules, and the strings they name. */
struct cache {
	struct strings *strings; /* borrowed */
	struct array lines;	 /* struct symbol_line */
};

void cache_module_init(struct cache_module *m);
void cache_module_deinit(struct cache_module *m);
size_t cache_module_bytes(const struct cache_module *m);
const struct symbol_address *cache_module_find(const struct cache_module *m, uint64_t offset);

/* Keeps the answer to n sorted offsets; what was known of them is replaced. What finds no room is
 * left out. Adds to *info what the lines have. 0 or -ENOMEM. */
int cache_add(struct cache *c, struct cache_module *m, const uint64_t *offsets,
	const struct answer_view *answer, struct symbol_module *info);
/* Copies the lines that n modules still use and forgets the others. 0 or -ENOMEM (nothing changed).
 */
int cache_compact(struct cache *c, struct cache_module **modules, size_t n);

#endif
