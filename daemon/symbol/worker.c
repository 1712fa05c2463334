/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's end: takes a request apart, asks the source of the module's kind, writes the answer
 * into the memory it was handed. Requests come from the daemon, files from targets.
 */
#include "symbol/symbolizer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "symbol/source.h"

static int write_answer(const struct answer *answer, int fd, uint64_t size)
{
	size_t file_n;
	int64_t n;
	void *p;
	int r;

	r = io_regular_size(fd, LIMIT_HELPER_REPLY_BYTES, &file_n);
	if (r < 0)
		return r;
	if (file_n < size)
		return -EINVAL;
	/* By mapping: the sandbox allows no file to grow, not even by write(). */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	n = answer_encode(answer, p, size);
	(void)munmap(p, size);
	return (int)n;
}

static int symbolize(const struct symbol_request *q, const int *fds, size_t n_fds, void *reply)
{
	CLEANUP(answer_deinit) struct answer answer = { 0 };
	CLEANUP(source_file_unmap) struct source_file offsets = { 0 };
	struct symbol_reply out;
	int r;

	if (q->n_offsets == 0 || q->n_offsets > SYMBOL_MAX_OFFSETS ||
		q->answer_size != answer_size(q->n_offsets))
		return -EINVAL;
	r = source_file_map(&offsets, fds[n_fds - 2]);
	if (r == 0 && offsets.n != q->n_offsets * sizeof(uint64_t))
		r = -EINVAL;
	if (r == 0)
		r = answer_init(&answer, q->n_offsets, q->answer_size);
	if (r < 0)
		return r;
	switch (q->source) {
	case SYMBOL_SOURCE_ELF:
		r = source_elf_symbolize(q, fds, (const uint64_t *)offsets.data, &answer);
		break;
	case SYMBOL_SOURCE_KERNEL:
		r = source_kernel_symbolize(q, fds, (const uint64_t *)offsets.data, &answer);
		break;
	case SYMBOL_SOURCE_PERF_MAP:
		r = source_perfmap_symbolize(q, fds, (const uint64_t *)offsets.data, &answer);
		break;
	default:
		r = -EINVAL;
	}
	if (r == 0)
		r = write_answer(&answer, fds[n_fds - 1], q->answer_size);
	if (r < 0)
		return r;
	out.answer_n = (uint64_t)r;
	memcpy(reply, &out, sizeof(out));
	return (int)sizeof(out);
}

int symbolizer_serve(const void *req, size_t req_n, const int *fds, size_t n_fds, void *reply,
	int *reply_fds, size_t *n_reply_fds)
{
	struct symbol_request q;
	size_t wanted;

	(void)reply_fds;
	*n_reply_fds = 0;
	if (req_n != sizeof(q))
		return -EINVAL;
	memcpy(&q, req, sizeof(q));
	if (q.n_debug > SYMBOL_MAX_DEBUG || q.n_alt > SYMBOL_MAX_DEBUG)
		return -EINVAL;
	wanted = 1 + q.n_debug + q.n_alt;
	if (q.op == SYMBOL_SYMBOLIZE)
		return n_fds == wanted + 2 ? symbolize(&q, fds, n_fds, reply) : -EINVAL;
	if (q.op == SYMBOL_UNWIND && n_fds == 1 + q.n_debug + 1) {
		struct unwind_reply unwind = { 0 };
		int r = source_unwind_build(&q, fds, &unwind);

		if (r < 0)
			return r;
		memcpy(reply, &unwind, sizeof(unwind));
		return (int)sizeof(unwind);
	}
	if (q.op == SYMBOL_IDENTIFY && q.source == SYMBOL_SOURCE_ELF && n_fds == wanted) {
		struct symbol_identity identity;
		int r = source_elf_identify(&q, fds, &identity);

		if (r < 0)
			return r;
		memcpy(reply, &identity, sizeof(identity));
		return (int)sizeof(identity);
	}
	return -EINVAL;
}
