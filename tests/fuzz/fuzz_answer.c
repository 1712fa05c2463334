/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: symbol proc isolate image base
/* Answers and identities of a worker that was taken over: what passes the check stays in bounds. */
#include <stdlib.h>
#include <string.h>
#include "symbol/cache.h"
#include "symbol/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void keep(const struct answer_view *v)
{
	static uint64_t offsets[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct symbol_module info = { 0 };
	struct cache_module module;
	struct strings strings;
	struct cache cache = { .strings = &strings };

	cache.lines = (struct array)ARRAY_INIT(struct symbol_line, 4096);
	if (strings_init(&strings, 1000, 100000) < 0)
		return;
	cache_module_init(&module);
	(void)cache_add(&cache, &module, offsets, v, &info);
	for (size_t i = 0; i < v->n_addresses; i++) {
		const struct symbol_address *a = cache_module_find(&module, offsets[i]);

		if (a && a->n_lines > 0 && (size_t)a->first_line + a->n_lines > cache.lines.n)
			abort();
	}
	cache_module_deinit(&module);
	array_deinit(&cache.lines);
	strings_deinit(&strings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct symbol_identity identity;
	struct answer_view v;
	uint8_t *copy;

	if (n == 0)
		return 0;
	if (symbol_identity_check(data + 1, n - 1, data[0] & 3, &identity) == 0 &&
		(identity.build_id_n > SYMBOL_MAX_BUILD_ID || strlen(identity.runtime) > 31))
		abort();
	/* Aligned as the daemon's copy is. */
	copy = malloc(n);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, n - 1);
	if (answer_check(copy, n - 1, data[0] & 7, &v) == 0)
		keep(&v);
	free(copy);
	return 0;
}
