/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the sorted index over one reading of /proc/kallsyms. The text is the kernel's, but names of
 * modules and BPF programs are of whoever loaded them.
 */
#include "image/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KALLSYMS_MAX	   (4U << 20)
#define KALLSYMS_MAX_BYTES UINT32_MAX
/* The last function before a hole is not given what lies far behind it. */
#define KALLSYMS_MAX_SIZE (1U << 20)

static int compare_symbols(const void *pa, const void *pb)
{
	const struct kallsyms_symbol *a = pa, *b = pb;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool read_line(const char *text, const char *p, const char *end, struct kallsyms_symbol *ret)
{
	uint64_t v = 0;
	int digits = 0;
	size_t n = 0;

	for (; p < end && digits < 16; p++, digits++) {
		if (*p >= '0' && *p <= '9')
			v = v << 4 | (uint64_t)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			v = v << 4 | (uint64_t)(*p - 'a' + 10);
		else
			break;
	}
	if (digits == 0 || end - p < 4 || p[0] != ' ' || p[2] != ' ')
		return false;
	ret->address = v;
	ret->type = p[1];
	p += 3;
	ret->offset = (uint32_t)(p - text);
	while (p + n < end && p[n] != '\t' && p[n] != ' ' && n < UINT16_MAX)
		n++;
	ret->name_n = (uint16_t)n;
	return n > 0;
}

int kallsyms_init(struct kallsyms *k, const char *text, size_t n)
{
	const char *end = text + n;
	size_t lines = 0;
	bool any = false;

	*k = (struct kallsyms){ .text = text };
	if (n > KALLSYMS_MAX_BYTES)
		return -E2BIG;
	for (const char *p = text; p < end; lines++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	if (lines > KALLSYMS_MAX)
		return -E2BIG;
	k->symbols = calloc(lines ? lines : 1, sizeof(*k->symbols));
	if (!k->symbols)
		return -ENOMEM;
	for (const char *p = text; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *line_end = newline ? newline : end;

		if (read_line(text, p, line_end, &k->symbols[k->n])) {
			any |= k->symbols[k->n].address != 0;
			k->n++;
		}
		p = newline ? newline + 1 : end;
	}
	if (k->n == 0 || !any) {
		int r = k->n == 0 ? -EBADMSG : -EPERM;

		kallsyms_deinit(k);
		return r;
	}
	qsort(k->symbols, k->n, sizeof(*k->symbols), compare_symbols);
	return 0;
}

void kallsyms_deinit(struct kallsyms *k)
{
	free(k->symbols);
	*k = (struct kallsyms){ 0 };
}

static bool is_function(const struct kallsyms_symbol *s)
{
	return s->type == 't' || s->type == 'T' || s->type == 'w' || s->type == 'W';
}

const struct kallsyms_symbol *kallsyms_lookup(const struct kallsyms *k, uint64_t address)
{
	size_t low = 0, high = k->n, i;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	/* Of aliases, the first in the file that is a function: as kallsyms_lookup() in the kernel.
	 */
	for (i = low - 1; i > 0 && k->symbols[i - 1].address == k->symbols[low - 1].address;)
		i--;
	for (; i < low; i++) {
		if (is_function(&k->symbols[i]))
			break;
	}
	if (i == low || address - k->symbols[i].address >= KALLSYMS_MAX_SIZE)
		return NULL;
	return &k->symbols[i];
}
