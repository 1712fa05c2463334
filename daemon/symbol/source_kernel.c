/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel, modules and BPF programs, by /proc/kallsyms as the daemon's credentials see it.
 *
 * Owns, for the life of the worker, the names between _stext and _etext: they stay what they are
 * while the kernel runs, and printing all of kallsyms costs the kernel 50 ms. Modules and BPF
 * programs come and go, and are read each time.
 */
#include "symbol/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "image/kallsyms.h"

#define KALLSYMS_FILE_MAX (256 * MIB)

static struct {
	uint64_t start, end; /* 0, 0: not known yet */
	char *names;	     /* owned */
	struct kallsyms kallsyms;
} core;

static const struct kallsyms_symbol *find(
	const struct kallsyms *k, size_t from, const char *name, size_t *ret_index)
{
	size_t n = strlen(name);

	for (size_t i = from; i < k->n; i++) {
		const struct kallsyms_symbol *s = &k->symbols[i];

		if (s->name_n == n && memcmp(kallsyms_name(k, s), name, n) == 0) {
			*ret_index = i;
			return s;
		}
	}
	return NULL;
}

/* Without memory, or where kallsyms does not say where the text is, nothing is kept. */
static void core_keep(const struct kallsyms *k)
{
	const struct kallsyms_symbol *start, *end;
	_cleanup_free_ struct kallsyms_symbol *symbols = NULL;
	_cleanup_free_ char *names = NULL;
	size_t first, last, bytes = 0, n;

	start = find(k, 0, "_stext", &first);
	end = start ? find(k, first, "_etext", &last) : NULL;
	if (!end || end->address <= start->address)
		return;
	while (first > 0 && k->symbols[first - 1].address == start->address)
		first--;
	while (k->symbols[last - 1].address == end->address)
		last--;
	n = last - first;
	for (size_t i = first; i < last; i++)
		bytes += k->symbols[i].name_n;
	symbols = malloc(n * sizeof(*symbols) + 1);
	names = malloc(bytes + 1);
	if (!symbols || !names)
		return;
	bytes = 0;
	for (size_t i = 0; i < n; i++) {
		symbols[i] = k->symbols[first + i];
		memcpy(names + bytes, kallsyms_name(k, &symbols[i]), symbols[i].name_n);
		symbols[i].offset = (uint32_t)bytes;
		bytes += symbols[i].name_n;
	}
	core.start = start->address;
	core.end = end->address;
	core.names = TAKE_PTR(names);
	core.kallsyms = (struct kallsyms){
		.text = core.names,
		.symbols = TAKE_PTR(symbols),
		.n = n,
	};
}

static int answer_all(const struct kallsyms *k, const struct symbol_request *q,
	const uint64_t *offsets, struct answer *answer)
{
	answer->flags |= ANSWER_FULL_SYMBOLS;
	for (uint32_t i = 0; i < q->n_offsets; i++) {
		const struct kallsyms_symbol *s = kallsyms_lookup(k, offsets[i]);
		int r = answer_add_address(answer, offsets[i], s ? s->address : 0);

		if (r < 0)
			return r;
		if (s)
			answer_add_line(answer, kallsyms_name(k, s), s->name_n, NULL, NULL, 0, 0);
	}
	return 0;
}

int source_kernel_symbolize(const struct symbol_request *q, const int *fds, const uint64_t *offsets,
	struct answer *answer)
{
	CLEANUP(kallsyms_deinit) struct kallsyms kallsyms = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r;

	/* Offsets are sorted. */
	if (q->n_offsets > 0 && offsets[0] >= core.start && offsets[q->n_offsets - 1] < core.end)
		return answer_all(&core.kallsyms, q, offsets, answer);
	r = io_read_fd(fds[0], KALLSYMS_FILE_MAX, &text, &n);
	if (r == 0)
		r = kallsyms_init(&kallsyms, text, n);
	if (r < 0)
		return r;
	if (core.end == 0)
		core_keep(&kallsyms);
	return answer_all(&kallsyms, q, offsets, answer);
}
