/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind tables, the worker's side: has image/ build the table of a file and lays it out in the
 * memory that the daemon has made for it (unwind_protocol.h). Nothing of it stays mapped: the
 * daemon seals that memory.
 */
#include "symbol/source.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "image/unwind_table.h"

/* What the debug file would be found by. */
static void want_debug(const struct elf *e, struct unwind_reply *ret)
{
	uint32_t crc;
	const char *link = elf_debuglink(e, &crc);

	ret->wants_debug = 1;
	ret->build_id_n = (uint32_t)elf_build_id(e, ret->build_id);
	if (link && strlen(link) < sizeof(ret->debuglink))
		memcpy(ret->debuglink, link, strlen(link) + 1);
}

static void fill_header(
	const struct elf *e, const struct unwind_table *t, struct unwind_header *ret)
{
	*ret = (struct unwind_header){
		.magic = UNWIND_MAGIC,
		.n_rules = t->n_rules,
		.n_rows = t->n_rows,
		.n_pages = t->n_pages,
		.vaddr = t->base,
		.truncated = t->truncated,
		.stats = t->stats,
	};
	for (uint32_t i = 0; i < e->n_segments && ret->n_segments < SYMBOL_MAX_SEGMENTS; i++) {
		const struct elf_segment *s = &e->segments[i];

		if (s->type == PT_LOAD && (s->flags & PF_X))
			ret->segments[ret->n_segments++] =
				(struct unwind_segment){ s->offset, s->vaddr, s->filesz };
	}
}

static int write_table(const struct elf *e, const struct unwind_table *t, int fd, uint64_t size,
	struct unwind_reply *ret)
{
	struct unwind_header header;
	struct unwind_view view;
	size_t file_n;
	uint64_t n;
	void *p;
	int r;

	fill_header(e, t, &header);
	n = unwind_answer_layout(NULL, &header, NULL);
	if (n > size)
		return -E2BIG;
	r = io_regular_size(fd, LIMIT_HELPER_REPLY_BYTES, &file_n);
	if (r < 0)
		return r;
	if (file_n < size)
		return -EINVAL;
	/* By mapping: the sandbox allows no file to grow, not even by write(). */
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	(void)unwind_answer_layout(p, &header, &view);
	memcpy(p, &header, sizeof(header));
	memcpy((void *)view.rules, t->rules, t->n_rules * sizeof(*t->rules));
	memcpy((void *)view.rows, t->rows, t->n_rows * sizeof(*t->rows));
	memcpy((void *)view.page_index, t->index, ((size_t)t->n_pages + 1) * sizeof(*t->index));
	(void)munmap(p, n);
	ret->n = n;
	return 0;
}

/* Rows that there is room for, whatever the rules and pages take. */
static uint32_t max_rows(uint64_t size)
{
	uint64_t other = sizeof(struct unwind_header) +
			 UNWIND_MAX_RULES * sizeof(struct unwind_rule_entry) +
			 (UNWIND_MAX_PAGES + 1) * sizeof(uint32_t);

	return (uint32_t)MIN(
		size > other ? (size - other) / sizeof(uint32_t) : 0, UNWIND_TABLE_MAX_ROWS);
}

int source_unwind_build(const struct symbol_request *q, const int *fds, struct unwind_reply *ret)
{
	CLEANUP(source_elf_close) struct source_elf file = { 0 }, debug = { 0 };
	CLEANUP(unwind_table_deinit) struct unwind_table table = { 0 };
	bool has_debug;
	int r;

	r = source_elf_open(&file, fds[0]);
	if (r < 0)
		return r;
	has_debug = source_elf_open_debug(&file.elf, fds + 1, q->n_debug, &debug) >= 0;
	r = unwind_table_build(
		&file.elf, has_debug ? &debug.elf : NULL, max_rows(q->answer_size), &table);
	if (r == -ENODATA && q->n_debug == 0) {
		want_debug(&file.elf, ret);
		return 0;
	}
	if (r == 0)
		r = write_table(&file.elf, &table, fds[1 + q->n_debug], q->answer_size, ret);
	return r;
}
