/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression is compiled to: between expression_parse.c and expression.c. */
#ifndef PROFCTL_VIEW_EXPRESSION_PROGRAM_H
#define PROFCTL_VIEW_EXPRESSION_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/table.h"

#define EXPRESSION_MAX_CODE   4096U
#define EXPRESSION_MAX_RANGES 16384U

enum assertion { TEXT_BEGIN, TEXT_END, LINE_BEGIN, LINE_END, WORD_EDGE, NO_WORD_EDGE };

enum op {
	OP_CHAR,   /* one character of ranges[x..x+n_ranges) or, negated, of none of them */
	OP_SPLIT,  /* go on here and at x */
	OP_JUMP,   /* to x */
	OP_ASSERT, /* x: enum assertion */
	OP_MATCH,
};

/* Places are relative to the instruction, so that programs can be moved. */
struct instruction {
	uint8_t op; /* enum op */
	bool negated;
	uint16_t n_ranges;
	int32_t x;
};

struct range {
	uint32_t first, last;
};

struct places {
	uint32_t *all; /* owned */
	size_t n;
};

struct expression {
	struct array code;   /* struct instruction */
	struct array ranges; /* struct range */
	bool anchored;
	char *literal; /* owned: the expression is only this, NULL: it is more */
	struct places places[2];
	uint32_t *stack; /* owned */
	uint64_t *mark;	 /* owned: by instruction, the generation it was entered in */
	uint64_t generation;
};

int expression_parse(
	struct expression *e, const char *text, bool whole, const char *what, struct error *error);

#endif
