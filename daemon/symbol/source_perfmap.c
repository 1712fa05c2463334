/* SPDX-License-Identifier: Apache-2.0 */
/* Code that a runtime made, by the perf map that it wrote. Read whole first: it may grow meanwhile.
 */
#include "symbol/source.h"

#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "image/perfmap.h"

int source_perfmap_symbolize(const struct symbol_request *q, const int *fds,
	const uint64_t *offsets, struct answer *answer)
{
	_cleanup_free_ struct perfmap_entry *entries =
		calloc(q->n_offsets ? q->n_offsets : 1, sizeof(*entries));
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r;

	if (!entries)
		return -ENOMEM;
	/* The position is shared with the descriptor that the daemon holds. */
	if (lseek(fds[0], 0, SEEK_SET) < 0)
		return -errno;
	r = io_read_fd(fds[0], LIMIT_PERF_MAP_BYTES, &text, &n);
	if (r == 0)
		r = perfmap_lookup(text, n, offsets, q->n_offsets, entries);
	if (r < 0)
		return r;
	answer->flags |= ANSWER_FULL_SYMBOLS;
	for (uint32_t i = 0; i < q->n_offsets; i++) {
		const struct perfmap_entry *e = &entries[i];

		r = answer_add_address(answer, offsets[i], e->start);
		if (r < 0)
			return r;
		if (e->name)
			answer_add_line(answer, e->name, e->name_n, NULL, NULL, 0, 0);
	}
	return 0;
}
