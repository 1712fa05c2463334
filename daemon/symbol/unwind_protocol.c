/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what a worker sent (unwind_protocol.h). Pure; input is hostile. */
#include "symbol/unwind_protocol.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"

/* A row costs a byte of call frame information or more, but compressed sections unpack. */
#define BYTES_A_FILE_BYTE 8U

uint64_t unwind_answer_size(uint64_t file_size)
{
	uint64_t limit = LIMIT_HELPER_REPLY_BYTES;

	if (file_size >= limit / BYTES_A_FILE_BYTE)
		return limit;
	return MIN(6 * MIB + file_size * BYTES_A_FILE_BYTE, limit);
}

uint64_t unwind_answer_layout(void *p, const struct unwind_header *h, struct unwind_view *ret)
{
	uint64_t rules = sizeof(*h);
	uint64_t rows = rules + h->n_rules * (uint64_t)sizeof(struct unwind_rule_entry);
	uint64_t index = rows + h->n_rows * (uint64_t)sizeof(uint32_t);

	if (p)
		*ret = (struct unwind_view){
			.header = p,
			.rules = (const void *)((uint8_t *)p + rules),
			.rows = (const void *)((uint8_t *)p + rows),
			.page_index = (const void *)((uint8_t *)p + index),
		};
	return index + ((uint64_t)h->n_pages + 1) * sizeof(uint32_t);
}

int unwind_answer_check(const void *p, uint64_t n, struct unwind_view *ret)
{
	struct unwind_header h;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, p, sizeof(h));
	if (h.magic != UNWIND_MAGIC || h.n_rows == 0 || h.n_rows > UNWIND_TABLE_MAX_ROWS ||
		h.n_pages > UNWIND_MAX_PAGES || h.n_rules == 0 || h.n_rules > UNWIND_MAX_RULES ||
		h.n_segments > SYMBOL_MAX_SEGMENTS || h.vaddr & ((1ULL << UNWIND_PAGE_SHIFT) - 1))
		return -EBADMSG;
	return unwind_answer_layout((void *)p, &h, ret) == n ? 0 : -EBADMSG;
}

int unwind_reply_check(const void *p, size_t n, uint64_t size, struct unwind_reply *ret)
{
	struct unwind_reply r;

	if (n != sizeof(r))
		return -EBADMSG;
	memcpy(&r, p, sizeof(r));
	if (r.n > size || (r.n == 0 && !r.wants_debug) || r.build_id_n > SYMBOL_MAX_BUILD_ID ||
		!memchr(r.debuglink, 0, sizeof(r.debuglink)))
		return -EBADMSG;
	*ret = r;
	return 0;
}
