/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon asks a symbolizer worker and what it answers. Both ends are the same binary, but
 * the worker has read a target's file: the daemon takes its answers for hostile input.
 *
 * Descriptors of a request, in this order: the file; n_debug candidates for its separate debug
 * file; n_alt candidates for the dwz file; to symbolize, a memfd of n_offsets sorted uint64_t and
 * one of answer_size bytes to be filled in with an answer (both made by the daemon: the worker can
 * make none).
 */
#ifndef PROFD_SYMBOL_PROTOCOL_H
#define PROFD_SYMBOL_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"

#define SYMBOL_MAX_OFFSETS  (1U << 20) /* of one request */
#define SYMBOL_MAX_SEGMENTS 16U
#define SYMBOL_MAX_DEBUG    4U
#define SYMBOL_MAX_BUILD_ID 32U
#define SYMBOL_MAX_LINK	    256U

enum symbol_op { SYMBOL_IDENTIFY, SYMBOL_SYMBOLIZE, SYMBOL_UNWIND /* unwind_protocol.h */ };
enum symbol_source { SYMBOL_SOURCE_ELF, SYMBOL_SOURCE_KERNEL, SYMBOL_SOURCE_PERF_MAP };

struct symbol_request {
	uint32_t op, source;
	uint32_t no_dwarf; /* DWARF of this file has cost a worker its life */
	uint32_t n_debug, n_alt;
	uint32_t n_offsets;
	uint64_t answer_size;
};

/* The reply to SYMBOL_IDENTIFY; strings are NUL-terminated. */
struct symbol_identity {
	uint8_t build_id[SYMBOL_MAX_BUILD_ID], alt_id[SYMBOL_MAX_BUILD_ID];
	uint32_t build_id_n, alt_id_n;	/* alt: of the file or of the debug file that fits */
	uint32_t debug;			/* candidate that fits, UINT32_MAX: none */
	uint32_t has_dwarf, has_symtab; /* of the file or of the debug file that fits */
	uint32_t n_segments;
	struct {
		uint64_t offset, vaddr, size;
	} segments[SYMBOL_MAX_SEGMENTS];
	char debuglink[SYMBOL_MAX_LINK];
	char altlink[SYMBOL_MAX_LINK];
	char runtime[32];
};

/* The reply to SYMBOL_SYMBOLIZE: how much of the answer's memfd is used. */
struct symbol_reply {
	uint64_t answer_n;
};

/* An answer: header, addresses in the order of the offsets, lines, ends of strings, text. String 0
 * is empty. */
#define ANSWER_MAGIC 0x31415350U /* "PSA1" */
enum answer_flags {
	ANSWER_PARTIAL = 1,	 /* time or room ran out: some have less than the file has */
	ANSWER_FULL_SYMBOLS = 2, /* a full symbol table or DWARF was read */
};
struct answer_header {
	uint32_t magic, flags;
	uint32_t n_addresses, n_lines, n_strings, text_n;
};
struct answer_address {
	uint64_t vaddr, function_start;
	uint32_t first_line, n_lines;
};
struct answer_line {
	uint32_t name, system_name, file, line, start_line;
};

/* A checked answer, in place. */
struct answer_view {
	uint32_t flags, n_addresses, n_lines, n_strings;
	const struct answer_address *addresses;
	const struct answer_line *lines;
	const uint32_t *ends;
	const char *text;
};

_Static_assert(sizeof(struct symbol_request) == 32, "the request has no padding");
_Static_assert(sizeof(struct answer_header) == 24, "addresses begin aligned");
_Static_assert(sizeof(struct answer_address) == 24, "addresses have no padding");
_Static_assert(sizeof(struct answer_line) == 20, "lines have no padding");

/* Room for the answer to n offsets: sparse memory, enough for what is ordinary. */
uint64_t answer_size(size_t n_offsets);
/* p is 8-byte aligned. 0 or -EBADMSG. */
int answer_check(const void *p, size_t n, size_t n_expected, struct answer_view *ret);
/* The bytes of a string of a checked answer. */
const char *answer_string(const struct answer_view *v, uint32_t id, size_t *ret_n);
/* Every count in bounds and every string ended. 0 or -EBADMSG. */
int symbol_identity_check(const void *p, size_t n, uint32_t n_debug, struct symbol_identity *ret);

#endif
