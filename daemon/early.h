/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples that were taken before the programs had the tables of their code: in the first moments of
 * a program, or in a library just loaded. They come with their registers and a window of the stack,
 * wait here until the tables are there, and are walked on this side. And all samples of
 * `--unwind dwarf`.
 */
#ifndef PROFD_EARLY_H
#define PROFD_EARLY_H

#include <stddef.h>
#include "bpf/abi.h"

struct early;
struct profd;

int early_new(struct early **ret, struct profd *p);
struct early *early_free(struct early *e);

/* Walks it, now or when its tables are there, and hands it to the aggregate. */
void early_sample(
	struct early *e, const struct sample_record *record, const struct stack_window *window);
/* The oldest time that a waiting sample tells of; UINT64_MAX: none waits. */
uint64_t early_oldest_ns(const struct early *e);
/* Hands out what waits of these sets (a mask; also enum probe_set) and tells of a time before that,
 * by what is known now. A few milliseconds at most, past which samples go on as they came. */
void early_flush(struct early *e, uint32_t sets, uint64_t before_ns);
/* Those attachments are gone. */
void early_forget(struct early *e, uint64_t attachment_bits);

struct early_stats {
	uint64_t walked;	     /* samples that came with a window */
	uint64_t waited;	     /* of these: for a table or for mappings */
	uint64_t late;		     /* of these: in vain, or there was no room to wait in */
	uint64_t bytes, limit_bytes; /* of those that wait now */
};
void early_get_stats(const struct early *e, struct early_stats *ret);

#endif
