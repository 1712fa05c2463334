/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the symbolized addresses and lines. Takes checked answers only (answer_check()); their text
 * is still a target's: what is no printable UTF-8 is replaced before it is interned.
 */
#include "symbol/cache.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/io.h"

static uint64_t offset_hash(const void *ctx, uint32_t id)
{
	const struct cache_module *m = ctx;

	return hash_u64(ARRAY_AT(&m->addresses, struct symbol_address, id)->offset, hash_seed());
}

static bool offset_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct cache_module *m = ctx;

	return ARRAY_AT(&m->addresses, struct symbol_address, id)->offset == *(const uint64_t *)key;
}

void cache_module_init(struct cache_module *m)
{
	*m = (struct cache_module){ 0 };
	m->addresses = (struct array)ARRAY_INIT(struct symbol_address, CACHE_MAX_ADDRESSES);
	table_init(&m->index, CACHE_MAX_ADDRESSES, offset_hash, offset_equal, m);
}

void cache_module_deinit(struct cache_module *m)
{
	array_deinit(&m->addresses);
	table_deinit(&m->index);
}

size_t cache_module_bytes(const struct cache_module *m)
{
	return array_bytes(&m->addresses) + table_bytes(&m->index);
}

static struct symbol_address *find(const struct cache_module *m, uint64_t offset)
{
	uint32_t id = table_find(&m->index, hash_u64(offset, hash_seed()), &offset);

	return id == TABLE_NONE ? NULL : ARRAY_AT(&m->addresses, struct symbol_address, id);
}

const struct symbol_address *cache_module_find(const struct cache_module *m, uint64_t offset)
{
	return find(m, offset);
}

static uint32_t intern(
	struct cache *c, const struct answer_view *answer, uint32_t id, uint32_t *known)
{
	char raw[LIMIT_SYMBOL_NAME + 1], shown[LIMIT_SYMBOL_NAME + 1];
	const char *s;
	size_t n;

	if (known[id] != UINT32_MAX)
		return known[id];
	s = answer_string(answer, id, &n);
	memcpy(raw, s, n);
	raw[n] = '\0';
	(void)io_printable(raw, shown, sizeof(shown));
	/* No room for a name makes the function unnamed. */
	if (strings_intern(c->strings, shown, strlen(shown), &known[id]) < 0)
		known[id] = 0;
	return known[id];
}

/* Puts the lines where those of *a are when they fit there, else at the end. */
static void add_lines(
	struct cache *c, struct symbol_address *a, const struct symbol_line *lines, uint32_t n)
{
	size_t first = c->lines.n;

	if (n > a->n_lines) {
		if (n > c->lines.max - first || array_resize(&c->lines, first + n) < 0)
			return;
		a->first_line = (uint32_t)first;
	}
	a->n_lines = n;
	if (n > 0)
		memcpy(ARRAY_AT(&c->lines, struct symbol_line, a->first_line), lines,
			n * sizeof(*lines));
}

static struct symbol_address *find_or_add(struct cache_module *m, uint64_t offset)
{
	struct symbol_address *a = find(m, offset);
	uint32_t id = (uint32_t)m->addresses.n;

	if (a)
		return a;
	a = array_push(&m->addresses);
	if (!a)
		return NULL;
	a->offset = offset;
	if (table_add(&m->index, hash_u64(offset, hash_seed()), id) < 0) {
		(void)array_resize(&m->addresses, id);
		return NULL;
	}
	return a;
}

int cache_add(struct cache *c, struct cache_module *m, const uint64_t *offsets,
	const struct answer_view *answer, struct symbol_module *info)
{
	_cleanup_free_ uint32_t *known = malloc((size_t)answer->n_strings * sizeof(*known));

	if (!known)
		return -ENOMEM;
	memset(known, 0xff, (size_t)answer->n_strings * sizeof(*known));
	for (uint32_t i = 0; i < answer->n_addresses; i++) {
		const struct answer_address *from = &answer->addresses[i];
		struct symbol_address *a = find_or_add(m, offsets[i]);
		struct symbol_line lines[LIMIT_INLINE_DEPTH];

		if (!a)
			return 0;
		for (uint32_t k = 0; k < from->n_lines; k++) {
			const struct answer_line *l = &answer->lines[from->first_line + k];

			lines[k] = (struct symbol_line){
				.name = intern(c, answer, l->name, known),
				.system_name = intern(c, answer, l->system_name, known),
				.file = intern(c, answer, l->file, known),
				.line = l->line,
				.start_line = l->start_line,
			};
			info->has_functions |= lines[k].name != 0;
			info->has_filenames |= lines[k].file != 0;
			info->has_line_numbers |= lines[k].line != 0;
		}
		info->has_inline_frames |= from->n_lines > 1;
		a->vaddr = from->vaddr;
		a->function_start = from->function_start;
		add_lines(c, a, lines, from->n_lines);
	}
	return 0;
}

int cache_compact(struct cache *c, struct cache_module **modules, size_t n)
{
	struct array lines = ARRAY_INIT(struct symbol_line, CACHE_MAX_LINES);
	size_t wanted = 0, at = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < modules[i]->addresses.n; k++)
			wanted +=
				ARRAY_AT(&modules[i]->addresses, struct symbol_address, k)->n_lines;
	}
	r = array_resize(&lines, wanted);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < modules[i]->addresses.n; k++) {
			struct symbol_address *a =
				ARRAY_AT(&modules[i]->addresses, struct symbol_address, k);

			if (a->n_lines == 0)
				continue;
			memcpy(ARRAY_AT(&lines, struct symbol_line, at),
				ARRAY_AT(&c->lines, struct symbol_line, a->first_line),
				a->n_lines * sizeof(struct symbol_line));
			a->first_line = (uint32_t)at;
			at += a->n_lines;
		}
	}
	array_deinit(&c->lines);
	c->lines = lines;
	return 0;
}
