/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's unwind table on its way from a worker to the daemon: header, rules, rows, page index, in
 * a memfd that the daemon has made and that nobody can write to any more once it is read
 * (F_SEAL_WRITE). What the rows mean: bpf/unwind_rules.h. The worker has read a target's file: all
 * of it is checked before it is used, the rows by kernel_table_check().
 */
#ifndef PROFD_SYMBOL_UNWIND_PROTOCOL_H
#define PROFD_SYMBOL_UNWIND_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/unwind_rules.h"
#include "image/unwind_table.h"
#include "symbol/protocol.h"

#define UNWIND_MAGIC	 0x31545550U /* "PUT1" */
#define UNWIND_MAX_PAGES (1U << 20)  /* 4 GiB of code */
#define UNWIND_MAX_RULES 65536U

/* An executable segment; addresses are the file's own. */
struct unwind_segment {
	uint64_t offset, vaddr, size;
};

struct unwind_header {
	uint32_t magic;
	uint32_t n_rules, n_rows, n_pages;
	uint64_t vaddr; /* of page 0 */
	uint32_t n_segments;
	uint32_t truncated; /* not all rows found room */
	struct unwind_table_stats stats;
	struct unwind_segment segments[SYMBOL_MAX_SEGMENTS];
};
_Static_assert(sizeof(struct unwind_header) % 8 == 0, "rules begin aligned");

/* The reply to SYMBOL_UNWIND. */
struct unwind_reply {
	uint64_t n;	      /* bytes of the memfd in use; 0: see wants_debug */
	uint32_t wants_debug; /* the file has no call frame information, its debug file may */
	uint32_t build_id_n;
	uint8_t build_id[SYMBOL_MAX_BUILD_ID];
	char debuglink[SYMBOL_MAX_LINK];
};

/* A table in place. */
struct unwind_view {
	const struct unwind_header *header;
	const struct unwind_rule_entry *rules;
	const uint32_t *rows, *page_index;
};

/* Room for the table of a file of that size: sparse memory. */
uint64_t unwind_answer_size(uint64_t file_size);
/* Where the parts of a table with these counts are, and its size. */
uint64_t unwind_answer_layout(void *p, const struct unwind_header *h, struct unwind_view *ret);
/* Counts in bounds and as many bytes as they say; not the rows. p is 8-byte aligned. 0 or
 * -EBADMSG. */
int unwind_answer_check(const void *p, uint64_t n, struct unwind_view *ret);
/* 0 or -EBADMSG. */
int unwind_reply_check(const void *p, size_t n, uint64_t size, struct unwind_reply *ret);

#endif
