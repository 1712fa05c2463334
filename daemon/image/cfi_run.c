/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs call frame instructions (DWARF 5, 6.4.2; GNU and MIPS extensions: LSB Core). Owns nothing.
 * Every instruction is read once, states are remembered in a stack of fixed depth: a run takes time
 * in proportion to its bytes. An instruction that is not known, or that cannot be, ends the run.
 */
#include "image/cfi.h"

#include <errno.h>

#define MAX_REMEMBERED 64

enum {
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_MIPS_ADVANCE_LOC8 = 0x1d,
	CFA_GNU_WINDOW_SAVE = 0x2d,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
};

struct run {
	const struct cfi *cfi;
	const struct cfi_cie *cie;
	struct reader r;
	uint64_t pc, function;
	struct cfi_state s;
	bool changed; /* s is not what the last row said */
	uint32_t n_remembered;
	struct cfi_state remembered[MAX_REMEMBERED];
};

/* The readers of base/bytes.h, inline for what is most frequent: one byte. */
static inline uint8_t next_u8(struct reader *r)
{
	if (r->at < r->end)
		return *r->at++;
	r->bad = true;
	return 0;
}

static inline uint64_t next_uleb(struct reader *r)
{
	return r->at < r->end && *r->at < 0x80 ? *r->at++ : reader_uleb(r);
}

static struct cfi_value *followed(struct run *u, struct cfi_state *s, uint64_t number)
{
	if (number == u->cie->ra)
		return &s->ra;
	if (number == u->cfi->machine->bp)
		return &s->bp;
	if (number == u->cfi->machine->sp)
		return &s->sp;
	if (number == u->cfi->machine->kept)
		return &s->kept;
	return NULL;
}

static void set(struct run *u, uint64_t number, enum cfi_where where, int64_t value, uint32_t n)
{
	struct cfi_value *v = followed(u, &u->s, number);

	if (!v)
		return;
	*v = (struct cfi_value){ .where = where, .value = value, .n = n };
	u->changed = true;
}

static void restore(struct run *u, uint64_t number)
{
	struct cfi_state initial = u->cie->initial;
	struct cfi_value *v = followed(u, &u->s, number), *from = followed(u, &initial, number);

	if (!v || !from)
		return;
	*v = *from;
	u->changed = true;
}

/* Products wrap: what is out of range is found when the state becomes a rule. */
static int64_t factored(const struct run *u, uint64_t n)
{
	return (int64_t)(n * (uint64_t)u->cie->data_align);
}

static void cfa_offset(struct run *u, int64_t offset)
{
	u->s.cfa_offset = offset;
	u->changed = true;
}

/* After an expression the offset is the one before it: not DWARF, but what assemblers write and
 * what gcc's unwinder does. */
static void cfa_register(struct run *u, uint64_t number)
{
	u->s.cfa_is_expression = false;
	u->s.cfa_register = number < CFI_NO_REGISTER ? (uint32_t)number : CFI_NO_REGISTER - 1;
	u->changed = true;
}

/* Offset in the section and length of an expression. */
static int64_t block(struct run *u, uint32_t *ret_n)
{
	uint64_t n = next_uleb(&u->r);
	int64_t at = (int64_t)reader_offset(&u->r);

	reader_skip(&u->r, n);
	*ret_n = u->r.bad ? 0 : (uint32_t)n;
	return at;
}

/* Instructions that say where something is; false: not one of them. */
static bool run_rule(struct run *u, uint8_t op)
{
	struct reader *r = &u->r;
	uint64_t number;
	int64_t value;
	uint32_t n;

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		number = next_uleb(r);
		set(u, number, CFI_AT_CFA, factored(u, next_uleb(r)), 0);
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		number = next_uleb(r);
		set(u, number, CFI_AT_CFA, factored(u, (uint64_t)reader_sleb(r)), 0);
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		number = next_uleb(r);
		set(u, number, CFI_AT_CFA, factored(u, -next_uleb(r)), 0);
		return true;
	case CFA_VAL_OFFSET:
		number = next_uleb(r);
		set(u, number, CFI_IS_CFA, factored(u, next_uleb(r)), 0);
		return true;
	case CFA_VAL_OFFSET_SF:
		number = next_uleb(r);
		set(u, number, CFI_IS_CFA, factored(u, (uint64_t)reader_sleb(r)), 0);
		return true;
	case CFA_RESTORE_EXTENDED:
		restore(u, next_uleb(r));
		return true;
	case CFA_UNDEFINED:
		set(u, next_uleb(r), CFI_UNDEFINED, 0, 0);
		return true;
	case CFA_SAME_VALUE:
		set(u, next_uleb(r), CFI_SAME, 0, 0);
		return true;
	case CFA_REGISTER:
		number = next_uleb(r);
		set(u, number, CFI_REGISTER, (int64_t)(next_uleb(r) & INT64_MAX), 0);
		return true;
	case CFA_EXPRESSION:
	case CFA_VAL_EXPRESSION:
		number = next_uleb(r);
		value = block(u, &n);
		set(u, number, op == CFA_EXPRESSION ? CFI_AT_EXPRESSION : CFI_IS_EXPRESSION, value,
			n);
		return true;
	default:
		return false;
	}
}

static bool run_cfa(struct run *u, uint8_t op)
{
	struct reader *r = &u->r;

	switch (op) {
	case CFA_DEF_CFA:
	case CFA_DEF_CFA_SF:
		cfa_register(u, next_uleb(r));
		cfa_offset(u, op == CFA_DEF_CFA ? (int64_t)next_uleb(r)
						: factored(u, (uint64_t)reader_sleb(r)));
		return true;
	case CFA_DEF_CFA_REGISTER:
		cfa_register(u, next_uleb(r));
		return true;
	case CFA_DEF_CFA_OFFSET:
		cfa_offset(u, (int64_t)next_uleb(r));
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		cfa_offset(u, factored(u, (uint64_t)reader_sleb(r)));
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		u->s.cfa_is_expression = true;
		u->s.cfa_expression = block(u, &u->s.cfa_n);
		u->changed = true;
		return true;
	default:
		return false;
	}
}

/* Neither a rule nor a new pc. */
static void run_other(struct run *u, uint8_t op)
{
	switch (op) {
	case CFA_NOP:
	case CFA_GNU_WINDOW_SAVE:
		break;
	case CFA_GNU_ARGS_SIZE:
		(void)next_uleb(&u->r);
		break;
	case CFA_REMEMBER_STATE:
		if (u->n_remembered >= MAX_REMEMBERED)
			u->r.bad = true;
		else
			u->remembered[u->n_remembered++] = u->s;
		break;
	case CFA_RESTORE_STATE:
		if (u->n_remembered == 0) {
			u->r.bad = true;
		} else {
			u->s = u->remembered[--u->n_remembered];
			u->changed = true;
		}
		break;
	default:
		u->r.bad = true;
	}
}

/* True and the pc that follows, where op moves on. */
static bool run_advance(struct run *u, uint8_t op, uint64_t *ret)
{
	uint64_t delta, pc = 0;

	if (op >= CFA_OFFSET || (op > CFA_ADVANCE_LOC4 && op < CFA_MIPS_ADVANCE_LOC8))
		return false;
	switch (op) {
	case CFA_ADVANCE_LOC1:
		delta = next_u8(&u->r);
		break;
	case CFA_ADVANCE_LOC2:
		delta = reader_u16(&u->r);
		break;
	case CFA_ADVANCE_LOC4:
		delta = reader_u32(&u->r);
		break;
	case CFA_MIPS_ADVANCE_LOC8:
		delta = reader_u64(&u->r);
		break;
	case CFA_SET_LOC:
		if (!cfi_pointer(u->cfi, &u->cfi->sections[u->cie->section], &u->r,
			    u->cie->encoding, u->cie->address_size, u->function, &pc) ||
			pc < u->pc)
			u->r.bad = true;
		*ret = pc;
		return true;
	default:
		if ((op & 0xc0) != CFA_ADVANCE_LOC)
			return false;
		delta = op & 0x3f;
	}
	if (__builtin_mul_overflow(delta, u->cie->code_align, &delta) ||
		__builtin_add_overflow(u->pc, delta, &pc))
		u->r.bad = true;
	*ret = pc;
	return true;
}

static void run_one(struct run *u, uint8_t op)
{
	if ((op & 0xc0) == CFA_OFFSET)
		set(u, op & 0x3f, CFI_AT_CFA, factored(u, next_uleb(&u->r)), 0);
	else if ((op & 0xc0) == CFA_RESTORE)
		restore(u, op & 0x3f);
	else if (!run_rule(u, op) && !run_cfa(u, op))
		run_other(u, op);
}

int cfi_run_initial(const struct cfi *c, struct cfi_cie *cie, uint32_t at, uint32_t n)
{
	const struct cfi_section *s = &c->sections[cie->section];
	struct run u;
	uint64_t pc;

	u.cfi = c;
	u.cie = cie;
	u.r = (struct reader)READER_INIT(s->bytes.data, at + n);
	u.pc = u.function = 0;
	u.n_remembered = 0;
	u.s = c->machine->initial;
	cie->initial = u.s;
	reader_seek(&u.r, at);
	while (reader_left(&u.r) > 0) {
		uint8_t op = next_u8(&u.r);

		if (run_advance(&u, op, &pc))
			return -EBADMSG;
		run_one(&u, op);
	}
	if (u.r.bad)
		return -EBADMSG;
	cie->initial = u.s;
	return 0;
}

int cfi_run(const struct cfi *c, const struct cfi_fde *fde, uint64_t end, cfi_row_fn row,
	void *context, uint64_t *ret_pc)
{
	const struct cfi_cie *cie = ARRAY_AT(&c->cies, struct cfi_cie, fde->cie);
	const struct cfi_section *s = &c->sections[cie->section];
	struct run u;
	uint64_t pc;
	int r;

	u.cfi = c;
	u.cie = cie;
	u.r = (struct reader)READER_INIT(s->bytes.data, fde->at + fde->n);
	u.pc = u.function = fde->start;
	u.n_remembered = 0;
	u.s = cie->initial;
	u.changed = true;
	end = MIN(end, fde->end);
	reader_seek(&u.r, fde->at);
	while (reader_left(&u.r) > 0) {
		uint8_t op = next_u8(&u.r);

		if (!run_advance(&u, op, &pc)) {
			run_one(&u, op);
			continue;
		}
		if (u.r.bad)
			break;
		if (u.changed && pc > u.pc) {
			r = row(context, u.pc, cie, &u.s);
			if (r < 0)
				return r;
			u.changed = false;
		}
		u.pc = pc;
		if (pc >= end)
			return 0;
	}
	if (u.r.bad) {
		*ret_pc = u.pc;
		return -EBADMSG;
	}
	return u.changed ? row(context, u.pc, cie, &u.s) : 0;
}
