/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where names come from: one source a kind of module, in the worker. Each adds one address to the
 * answer for every offset (sorted, distinct), in that order.
 */
#ifndef PROFD_SYMBOL_SOURCE_H
#define PROFD_SYMBOL_SOURCE_H

#include "image/elf.h"
#include "symbol/answer.h"
#include "symbol/protocol.h"
#include "symbol/unwind_protocol.h"

/* A file of the request, mapped whole and privately: writing to it changes no file. */
struct source_file {
	void *data; /* NULL: none */
	size_t n;
};

/* 0, -EFBIG, -EINVAL (no regular file), -ENODATA (empty), -ENOMEM. */
int source_file_map(struct source_file *f, int fd);
void source_file_unmap(struct source_file *f);

/* A file as an ELF image. */
struct source_elf {
	struct source_file file;
	struct elf elf;
};
/* What source_file_map() says, -EBADMSG; to be closed also then. */
int source_elf_open(struct source_elf *f, int fd);
void source_elf_close(struct source_elf *f);
/* Is `debug` the debug file of e? */
bool source_elf_belongs(const struct elf *e, const struct source_elf *debug);
/* Opens the first of n candidates that belongs to the file; its index, or -1. */
int source_elf_open_debug(const struct elf *e, const int *fds, uint32_t n, struct source_elf *ret);

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
/* Builds the unwind table of fds[0] into the memory behind the last descriptor. fds: the file,
 * n_debug candidates for its debug file, the memory. */
int source_unwind_build(const struct symbol_request *q, const int *fds, struct unwind_reply *ret);
/* A perf map. */
int source_perfmap_symbolize(const struct symbol_request *q, const int *fds,
	const uint64_t *offsets, struct answer *answer);

#endif
