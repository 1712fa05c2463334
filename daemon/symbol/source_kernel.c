/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel, modules and BPF programs, by /proc/kallsyms as the daemon's credentials see it. */
#include "symbol/source.h"

#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "image/kallsyms.h"

#define KALLSYMS_FILE_MAX (256 * MIB)

int source_kernel_symbolize(const struct symbol_request *q, const int *fds, const uint64_t *offsets,
	struct answer *answer)
{
	CLEANUP(kallsyms_deinit) struct kallsyms kallsyms = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r;

	r = io_read_fd(fds[0], KALLSYMS_FILE_MAX, &text, &n);
	if (r == 0)
		r = kallsyms_init(&kallsyms, text, n);
	if (r < 0)
		return r;
	answer->flags |= ANSWER_FULL_SYMBOLS;
	for (uint32_t i = 0; i < q->n_offsets; i++) {
		const struct kallsyms_symbol *s = kallsyms_lookup(&kallsyms, offsets[i]);

		r = answer_add_address(answer, offsets[i], s ? s->address : 0);
		if (r < 0)
			return r;
		if (s)
			answer_add_line(
				answer, kallsyms_name(&kallsyms, s), s->name_n, NULL, NULL, 0, 0);
	}
	return 0;
}
