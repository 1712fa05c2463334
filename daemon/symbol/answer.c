/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the strings and lines of one answer. Names come from a target's file: their length and
 * number are bounded by the room that the daemon gave.
 */
#include "symbol/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "image/demangle.h"

int answer_init(struct answer *a, size_t n_addresses, size_t max)
{
	*a = (struct answer){ .max = max };
	a->addresses = (struct array)ARRAY_INIT(struct answer_address, MAX(n_addresses, (size_t)1));
	a->lines = (struct array)ARRAY_INIT(struct answer_line, max / sizeof(struct answer_line));
	return strings_init(&a->strings, (uint32_t)MIN(max / 8 + 16, (size_t)UINT32_MAX / 2), max);
}

void answer_deinit(struct answer *a)
{
	array_deinit(&a->addresses);
	array_deinit(&a->lines);
	strings_deinit(&a->strings);
}

/* An upper bound: the NUL that `strings` keeps behind each string is not sent. */
static size_t answer_bytes(const struct answer *a)
{
	return sizeof(struct answer_header) + a->addresses.max * sizeof(struct answer_address) +
	       a->lines.n * sizeof(struct answer_line) + a->strings.spans.n * sizeof(uint32_t) +
	       a->strings.text_n;
}

static uint32_t intern(struct answer *a, const char *s, size_t n)
{
	char cut[LIMIT_SYMBOL_NAME];
	uint32_t id = 0;

	if (n > LIMIT_SYMBOL_NAME) {
		memcpy(cut, s, sizeof(cut) - 3);
		memcpy(cut + sizeof(cut) - 3, "...", 3);
		s = cut;
		n = sizeof(cut);
	}
	if (strings_intern(&a->strings, s, n, &id) < 0) {
		a->flags |= ANSWER_PARTIAL;
		return 0;
	}
	return id;
}

int answer_add_address(struct answer *a, uint64_t vaddr, uint64_t function_start)
{
	struct answer_address *address = array_push(&a->addresses);

	if (!address)
		return -ENOMEM;
	*address = (struct answer_address){
		.vaddr = vaddr,
		.function_start = function_start,
		.first_line = (uint32_t)a->lines.n,
	};
	return 0;
}

void answer_add_line(struct answer *a, const char *name, size_t name_n, const char *plain,
	const char *file, uint32_t line, uint32_t start_line)
{
	struct answer_address *address =
		ARRAY_AT(&a->addresses, struct answer_address, a->addresses.n - 1);
	_cleanup_free_ char *copy = NULL, *demangled = NULL;
	struct answer_line *l;

	if (address->n_lines >= LIMIT_INLINE_DEPTH ||
		answer_bytes(a) + sizeof(*l) + 3 * (size_t)(LIMIT_SYMBOL_NAME + 8) > a->max) {
		a->flags |= ANSWER_PARTIAL;
		return;
	}
	if (name_n <= DEMANGLE_MAX_INPUT)
		copy = strndup(name, name_n);
	if (copy)
		demangled = demangle(copy);
	l = array_push(&a->lines);
	if (!l) {
		a->flags |= ANSWER_PARTIAL;
		return;
	}
	l->system_name = intern(a, name, name_n);
	l->name = l->system_name;
	if (demangled)
		l->name = intern(a, demangled, strnlen(demangled, LIMIT_SYMBOL_NAME + 1));
	else if (plain)
		l->name = intern(a, plain, strnlen(plain, LIMIT_SYMBOL_NAME + 1));
	l->file = file ? intern(a, file, strnlen(file, LIMIT_SYMBOL_NAME + 1)) : 0;
	l->line = MIN(line, (uint32_t)INT32_MAX);
	l->start_line = MIN(start_line, (uint32_t)INT32_MAX);
	address->n_lines++;
}

static uint8_t *put(uint8_t *out, const void *p, size_t n)
{
	if (n > 0)
		memcpy(out, p, n);
	return out + n;
}

int64_t answer_encode(const struct answer *a, uint8_t *out, size_t n)
{
	uint32_t n_strings = (uint32_t)a->strings.spans.n, end = 0;
	struct answer_header h = {
		.magic = ANSWER_MAGIC,
		.flags = a->flags,
		.n_addresses = (uint32_t)a->addresses.n,
		.n_lines = (uint32_t)a->lines.n,
		.n_strings = n_strings,
	};
	const uint8_t *start = out;
	uint64_t text_n = 0, size;
	size_t length;

	for (uint32_t i = 0; i < n_strings; i++) {
		(void)strings_get(&a->strings, i, &length);
		text_n += length;
	}
	size = sizeof(h) + a->addresses.n * sizeof(struct answer_address) +
	       a->lines.n * sizeof(struct answer_line) + n_strings * sizeof(uint32_t) + text_n;
	if (text_n > UINT32_MAX || size > n)
		return -E2BIG;
	h.text_n = (uint32_t)text_n;
	out = put(out, &h, sizeof(h));
	out = put(out, a->addresses.data, a->addresses.n * sizeof(struct answer_address));
	out = put(out, a->lines.data, a->lines.n * sizeof(struct answer_line));
	for (uint32_t i = 0; i < n_strings; i++) {
		(void)strings_get(&a->strings, i, &length);
		end += (uint32_t)length;
		out = put(out, &end, sizeof(end));
	}
	for (uint32_t i = 0; i < n_strings; i++) {
		const char *s = strings_get(&a->strings, i, &length);

		out = put(out, s, length);
	}
	return out - start;
}
