/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing. Pure: bytes in, rows out; the bytes are a target's. They are gone over once.
 *
 * Nothing is guessed: at `ret` the return address is on top, so code all of whose instructions are
 * known, and that comes to a `ret` with as much on the stack as at its first instruction, has found
 * its return address wherever it lies. One instruction that is not known, one way that leaves with
 * another depth or another rbp, and there are no rows at all.
 */
#include "image/code_x86.h"

#include <stdbool.h>
#include <string.h>
#include "base/cleanup.h"

enum { RSP = 4, RBP = 5 }; /* as in instructions */

enum kind {
	UNKNOWN, /* or writes rsp or rbp in another way than is known */
	PLAIN,
	FILLER,
	PUSH,
	POP,
	ADJUST, /* rsp */
	FRAME,	/* mov %rsp, %rbp */
	RETURN,
	JUMP,
	BRANCH,
	CALL,
	JUMP_AWAY, /* through a register or memory */
};

struct instruction {
	enum kind kind;
	uint32_t n;
	int32_t value; /* of PUSH and POP the register, of ADJUST and those that go on
			elsewhere what is added */
};

/* Where the CFA is above rsp, where below the CFA the caller's rbp was saved (0: it was not). */
struct place {
	uint16_t depth, bp;
	bool is_known, is_visited;
};

struct walk {
	const uint8_t *p;
	uint32_t n, at;
	uint32_t began; /* the function that `at` is in */
	bool flows;	/* the instruction before goes on to this one */
	bool proven;	/* a way from the function's begin comes to a return */
	struct place here;
	struct place places[CODE_X86_MAX_BYTES + 1];
};

/* ---- instructions ---- */

static int32_t immediate(const uint8_t *p, uint32_t n)
{
	int32_t wide;

	if (n == 1)
		return (int8_t)*p;
	memcpy(&wide, p, sizeof(wide));
	return wide;
}

/* Bytes of a ModRM operand at p: itself, SIB and displacement; 0: it does not fit. */
static uint32_t operand(const uint8_t *p, uint32_t left)
{
	uint32_t n = 1;
	uint8_t mode, base;

	if (left == 0)
		return 0;
	mode = p[0] >> 6;
	base = p[0] & 7;
	if (mode != 3 && base == 4) {
		if (left < 2)
			return 0;
		base = p[1] & 7;
		n++;
	}
	if (mode == 1)
		n += 1;
	else if (mode == 2 || (mode == 0 && base == 5))
		n += 4;
	return n <= left ? n : 0;
}

/* In memory by rsp or rbp: what was saved may lie there. */
static bool is_stack(const uint8_t *p, uint8_t rex)
{
	uint8_t mode = p[0] >> 6, base = p[0] & 7;

	if (base == 4)
		base = p[1] & 7;
	return !(rex & 1) && (base == RSP || (base == RBP && mode != 0));
}

/* Opcodes that take a ModRM operand: how many bytes of immediate follow, and what is written. */
enum written { NOTHING, REGISTER, OPERAND };
#define ANY 8
static const struct form {
	uint8_t opcode, immediate;
	enum written written;
	uint8_t only; /* this /digit */
} forms[] = {
	{ 0x01, 0, OPERAND, ANY }, { 0x03, 0, REGISTER, ANY }, /* add */
	{ 0x29, 0, OPERAND, ANY }, { 0x2b, 0, REGISTER, ANY }, /* sub */
	{ 0x31, 0, OPERAND, ANY }, { 0x33, 0, REGISTER, ANY }, /* xor */
	{ 0x39, 0, NOTHING, ANY }, { 0x3b, 0, NOTHING, ANY },  /* cmp */
	{ 0x84, 0, NOTHING, ANY }, { 0x85, 0, NOTHING, ANY },  /* test */
	{ 0x89, 0, OPERAND, ANY }, { 0x8b, 0, REGISTER, ANY }, /* mov */
	{ 0x8d, 0, REGISTER, ANY },			       /* lea */
	{ 0x80, 1, NOTHING, 7 },			       /* cmp */
	{ 0x81, 4, OPERAND, ANY }, { 0x83, 1, OPERAND, ANY },  /* add and so on */
	{ 0xc1, 1, OPERAND, ANY }, { 0xd1, 0, OPERAND, ANY },  /* shifts */
	{ 0xc6, 1, OPERAND, 0 }, { 0xc7, 4, OPERAND, 0 },      /* mov */
};

static struct instruction with_operand(
	const uint8_t *p, uint32_t left, uint8_t rex, const struct form *f)
{
	uint32_t n = operand(p + 1, left - 1), written = UINT32_MAX;
	bool is_register;
	struct instruction in = { .kind = UNKNOWN };
	uint8_t digit;

	if (n == 0 || f->immediate > left - 1 - n)
		return in;
	digit = p[1] >> 3 & 7;
	is_register = p[1] >> 6 == 3;
	if (f->only != ANY && digit != f->only)
		return in;
	if (f->written == REGISTER)
		written = digit | (rex & 4) << 1;
	else if (f->written == OPERAND && is_register)
		written = (p[1] & 7) | (rex & 1) << 3;
	else if (f->written == OPERAND && is_stack(p + 1, rex))
		return in;
	in.n = 1 + n + f->immediate;
	in.kind = PLAIN;
	if (written != RSP && written != RBP)
		return in;
	in.kind = UNKNOWN;
	if (rex == 0x48 && p[0] == 0x83 && (p[1] == 0xc4 || p[1] == 0xec)) {
		in.kind = ADJUST;
		in.value = immediate(p + 2, 1) * (p[1] == 0xc4 ? -1 : 1);
	} else if (rex == 0x48 && p[0] == 0x89 && p[1] == 0xe5) {
		in.kind = FRAME;
	}
	return in;
}

/* call and jmp through a register or memory */
static struct instruction indirect(const uint8_t *p, uint32_t left)
{
	uint32_t n = operand(p + 1, left - 1);
	uint8_t digit;

	if (n == 0)
		return (struct instruction){ .kind = UNKNOWN };
	digit = p[1] >> 3 & 7;
	return (struct instruction){
		.kind = digit == 2   ? PLAIN
			: digit == 4 ? JUMP_AWAY
				     : UNKNOWN,
		.n = 1 + n,
	};
}

/* Prefixes and the opcode 0f. */
static struct instruction two_bytes(const uint8_t *p, uint32_t left, uint32_t prefixes)
{
	uint32_t n;

	if (left >= 6 && p[1] >> 4 == 8)
		return (struct instruction){ BRANCH, 6, immediate(p + 2, 4) };
	if (left < 3 || p[1] != 0x1f)
		return (struct instruction){ .kind = UNKNOWN };
	n = operand(p + 2, left - 2);
	return (struct instruction){ n ? FILLER : UNKNOWN, prefixes + 2 + n, 0 };
}

static struct instruction one_byte(const uint8_t *p, uint32_t left, uint8_t rex)
{
	static const struct {
		uint8_t from, to, n;
		enum kind kind;
	} fixed[] = {
		{ 0x90, 0x90, 1, FILLER }, { 0xcc, 0xcc, 1, FILLER }, { 0xc3, 0xc3, 1, RETURN },
		{ 0x50, 0x57, 1, PUSH }, { 0x58, 0x5f, 1, POP }, { 0x70, 0x7f, 2, BRANCH },
		{ 0xeb, 0xeb, 2, JUMP }, { 0xe9, 0xe9, 5, JUMP }, { 0xe8, 0xe8, 5, CALL },
		{ 0x3d, 0x3d, 5, PLAIN }, /* cmp with rax */
	};
	struct instruction in = { .kind = UNKNOWN };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		if (p[0] < fixed[i].from || p[0] > fixed[i].to || left < fixed[i].n)
			continue;
		in = (struct instruction){ fixed[i].kind, fixed[i].n, 0 };
		if (in.kind == PUSH || in.kind == POP)
			in.value = (p[0] & 7) | (rex & 1) << 3;
		else if (in.kind == JUMP || in.kind == BRANCH || in.kind == CALL)
			in.value = immediate(p + 1, in.n - 1);
		return in;
	}
	/* mov of 32 bits */
	if (p[0] >> 3 == 0xb8 >> 3 && left >= 5 && rex == 0 && p[0] != 0xb8 + RSP &&
		p[0] != 0xb8 + RBP)
		return (struct instruction){ PLAIN, 5, 0 };
	return in;
}

static struct instruction decode(const uint8_t *p, uint32_t left)
{
	struct instruction in = { .kind = UNKNOWN };
	uint32_t prefixes = 0;
	uint8_t rex = 0;

	if (left >= 4 && memcmp(p, "\xf3\x0f\x1e\xfa", 4) == 0)
		return (struct instruction){ PLAIN, 4, 0 };
	if (left >= 2 && p[0] == 0xf3 && p[1] == 0xc3)
		return (struct instruction){ RETURN, 2, 0 };
	while (prefixes + 1 < left && (p[prefixes] == 0x66 || p[prefixes] == 0x2e))
		prefixes++;
	if (p[prefixes] == 0x0f)
		return two_bytes(p + prefixes, left - prefixes, prefixes);
	if (p[prefixes] == 0x90)
		return (struct instruction){ FILLER, prefixes + 1, 0 };
	if (prefixes > 0)
		return in;
	if (p[0] >> 4 == 4 && left > 1) {
		rex = *p++;
		left--;
	}
	if (p[0] == 0xff) {
		in = indirect(p, left);
	} else {
		in = one_byte(p, left, rex);
		for (size_t i = 0; in.kind == UNKNOWN && i < ARRAY_SIZE(forms); i++) {
			if (forms[i].opcode == p[0])
				in = with_operand(p, left, rex, &forms[i]);
		}
	}
	in.n += rex != 0;
	return in;
}

/* ---- ways ---- */

static bool is_at_entry(const struct place *s)
{
	return s->depth == 8 && s->bp == 0;
}

/* The code goes on from here to `offset`. False: what is known there is another thing. */
static bool go_to(struct walk *w, int64_t offset)
{
	struct place *to;

	/* Where this function ends another one may begin. */
	if (offset < 0 || offset >= w->n)
		return is_at_entry(&w->here);
	to = &w->places[offset];
	if (to->is_known)
		return to->depth == w->here.depth && to->bp == w->here.bp;
	/* Behind it, and no first byte of an instruction. */
	if (offset <= w->at)
		return false;
	to->depth = w->here.depth;
	to->bp = w->here.bp;
	to->is_known = true;
	return true;
}

static bool step_stack(struct walk *w, const struct instruction *in)
{
	struct place *s = &w->here;
	int32_t depth = s->depth;

	switch (in->kind) {
	case PUSH:
		depth += 8;
		if (in->value == RBP && s->bp == 0)
			s->bp = (uint16_t)depth;
		break;
	case POP:
		if (in->value == RSP || (in->value == RBP && s->bp != s->depth))
			return false;
		depth -= 8;
		if (in->value == RBP)
			s->bp = 0;
		break;
	case ADJUST:
		depth += in->value;
		break;
	case FRAME:
		return s->bp != 0;
	default:
		break;
	}
	/* What lies below rsp is not saved any more. */
	if (depth < 8 || depth > 4096 || s->bp > depth)
		return false;
	s->depth = (uint16_t)depth;
	return true;
}

static bool step(struct walk *w, const struct instruction *in)
{
	int64_t to = (int64_t)w->at + in->n + in->value;

	switch (in->kind) {
	case UNKNOWN:
		return false;
	case RETURN:
	case JUMP_AWAY:
		w->flows = false;
		w->proven |= in->kind == RETURN;
		return is_at_entry(&w->here);
	case JUMP:
		w->flows = false;
		/* Into one that was proven before, as it lies before. */
		w->proven |= to >= 0 && to < w->began && w->places[to].is_visited;
		return go_to(w, to);
	case CALL:
		/* Not a way to push an address, but a function. */
		return to < 0 || to >= w->n ||
		       (w->places[to].is_visited && is_at_entry(&w->places[to]));
	case BRANCH:
		return go_to(w, to);
	default:
		return step_stack(w, in);
	}
}

/* At an instruction that none goes on to: what is known of it by a jump, else it is the first of a
 * function, or between two. False: what was before is not known to return. */
static bool begin(struct walk *w, const struct instruction *in, bool *ret_is_between)
{
	const struct place *known = &w->places[w->at];

	*ret_is_between = false;
	if (known->is_known) {
		w->here = *known;
	} else if (in->kind == FILLER) {
		*ret_is_between = true;
		return true;
	} else {
		if (!w->proven)
			return false;
		w->proven = false;
		w->began = w->at;
		w->here = (struct place){ .depth = 8 };
	}
	w->flows = true;
	return true;
}

static bool visit(struct walk *w)
{
	struct instruction in;
	struct place *s;
	bool is_between;

	for (; w->at < w->n; w->at += in.n) {
		s = &w->places[w->at];
		in.n = 1;
		if (!w->flows && !s->is_known && w->p[w->at] == 0)
			continue;
		in = decode(w->p + w->at, w->n - w->at);
		if (in.kind == UNKNOWN)
			return false;
		/* No jump may lead into it. */
		for (uint32_t i = 1; i < in.n; i++) {
			if (w->places[w->at + i].is_known)
				return false;
		}
		if (!w->flows) {
			if (!begin(w, &in, &is_between))
				return false;
			if (is_between)
				continue;
		}
		if (s->is_known && (s->depth != w->here.depth || s->bp != w->here.bp))
			return false;
		*s = (struct place){ w->here.depth, w->here.bp, true, true };
		if (!step(w, &in))
			return false;
	}
	return !w->flows && w->proven;
}

uint32_t code_x86_rows(
	const uint8_t *p, size_t n, struct code_x86_row ret[static CODE_X86_MAX_ROWS])
{
	struct walk w = { .p = p, .n = (uint32_t)n, .proven = true };
	struct unwind_rule_entry last = { 0 };
	uint32_t rows = 0;

	if (n > CODE_X86_MAX_BYTES || !visit(&w))
		return 0;
	for (uint32_t at = 0; at < w.n; at++) {
		const struct place *s = &w.places[at];
		struct unwind_rule_entry rule = { .cfa = UNWIND_CFA_RSP,
			.cfa_offset = s->depth,
			.bp = s->bp ? UNWIND_BP_AT_CFA : UNWIND_BP_SAME,
			.bp_offset = (short)-s->bp };

		if (!s->is_visited || memcmp(&rule, &last, sizeof(rule)) == 0)
			continue;
		if (rows == CODE_X86_MAX_ROWS)
			return 0;
		ret[rows].offset = at;
		ret[rows++].rule = rule;
		last = rule;
	}
	return rows;
}
