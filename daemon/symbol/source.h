/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where names come from: one source a kind of module, in the worker. Each adds one address to the
 * answer for every offset (sorted, distinct), in that order.
 */
#ifndef PROFD_SYMBOL_SOURCE_H
#define PROFD_SYMBOL_SOURCE_H

#include "symbol/answer.h"
#include "symbol/protocol.h"

/* A file of the request, mapped whole and privately: writing to it changes no file. */
struct source_file {
	void *data; /* NULL: none */
	size_t n;
};

/* 0, -EFBIG, -EINVAL (no regular file), -ENODATA (empty), -ENOMEM. */
int source_file_map(struct source_file *f, int fd);
void source_file_unmap(struct source_file *f);

/* ELF. fds: the file, n_debug candidates for its debug file, n_alt for the dwz file. Errors are
 * those of the file itself; what is wrong with debug files costs only what they would have given.
 */
int source_elf_identify(
	const struct symbol_request *q, const int *fds, struct symbol_identity *ret);
int source_elf_symbolize(const struct symbol_request *q, const int *fds, const uint64_t *offsets,
	struct answer *answer);
/* /proc/kallsyms: -EPERM where addresses are hidden. */
int source_kernel_symbolize(const struct symbol_request *q, const int *fds, const uint64_t *offsets,
	struct answer *answer);
/* A perf map. */
int source_perfmap_symbolize(const struct symbol_request *q, const int *fds,
	const uint64_t *offsets, struct answer *answer);

#endif
