/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing. Pure: states and bytes in, rules out. Expressions are matched against the few forms
 * that compilers, linkers and hand-written assembly use; they are never evaluated.
 */
#include "image/cfi_x86.h"

#include <errno.h>

enum { RBX = 3, RBP = 6, RSP = 7, RIP = 16, GENERAL = 16 };

enum {
	OP_DEREF = 0x06,
	OP_AND = 0x1a,
	OP_MUL = 0x1e,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_BREG0 = 0x70,
};

const struct cfi_machine cfi_x86 = {
	.bp = RBP,
	.sp = RSP,
	.kept = RBX,
	.initial = { .cfa_register = CFI_NO_REGISTER, .sp = { .where = CFI_IS_CFA } },
};

struct unwind_rule_entry cfi_x86_unknown(enum unwind_unknown why)
{
	return (struct unwind_rule_entry){ .cfa = UNWIND_CFA_UNKNOWN, .cfa_offset = (int)why };
}

static bool fits16(int64_t v)
{
	return v >= INT16_MIN && v <= INT16_MAX;
}

/* ---- expressions ---- */

static struct reader expression(
	const struct cfi *c, const struct cfi_cie *cie, int64_t at, uint32_t n)
{
	const struct cfi_section *s = &c->sections[cie->section];
	struct reader r = READER_INIT(s->bytes.data + at, n);

	return r;
}

static bool ends(const struct reader *r)
{
	return !r->bad && reader_left(r) == 0;
}

/* DW_OP_bregN offset */
static bool read_breg(struct reader *r, uint32_t *ret_register, int64_t *ret_offset)
{
	uint8_t op = reader_u8(r);

	*ret_register = op - OP_BREG0;
	*ret_offset = reader_sleb(r);
	return !r->bad && op >= OP_BREG0 && op <= OP_BREG0 + RIP;
}

static bool read_ops(struct reader *r, const uint8_t *ops, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (reader_u8(r) != ops[i])
			return false;
	}
	return !r->bad;
}

/* The linker's PLT: breg7 o, breg16 0, lit15, and, litN, ge, lit3, shl, plus */
static bool match_plt(struct reader r, struct unwind_rule_entry *ret)
{
	static const uint8_t before[] = { OP_LIT0 + 15, OP_AND };
	static const uint8_t behind[] = { OP_GE, OP_LIT0 + 3, OP_SHL, OP_PLUS };
	uint32_t base, counter;
	int64_t offset, none;
	uint8_t n;

	if (!read_breg(&r, &base, &offset) || !read_breg(&r, &counter, &none) || base != RSP ||
		counter != RIP || none != 0 || offset < 0 || offset > 255 ||
		!read_ops(&r, before, sizeof(before)))
		return false;
	n = (uint8_t)(reader_u8(&r) - OP_LIT0);
	if (n > 15 || !read_ops(&r, behind, sizeof(behind)) || !ends(&r))
		return false;
	*ret = (struct unwind_rule_entry){ .cfa = UNWIND_CFA_PLT,
		.cfa_offset = n << 8 | (int)offset };
	return true;
}

/* breg6|7 inner [breg N 0, lit8, mul, plus], deref [, plus_uconst outer] */
static bool match_deref(struct reader r, struct unwind_rule_entry *ret)
{
	static const uint8_t index_ops[] = { OP_LIT0 + 8, OP_MUL, OP_PLUS };
	uint32_t base, index = 0;
	int64_t inner, none, outer = 0;
	bool indexed = false;

	if (!read_breg(&r, &base, &inner))
		return false;
	if (reader_left(&r) > 0 && *r.at >= OP_BREG0) {
		if (!read_breg(&r, &index, &none) || none != 0 || index >= GENERAL ||
			!read_ops(&r, index_ops, sizeof(index_ops)))
			return false;
		indexed = true;
	}
	if (reader_u8(&r) != OP_DEREF)
		return false;
	if (reader_left(&r) > 0) {
		if (reader_u8(&r) != OP_PLUS_UCONST)
			return false;
		outer = (int64_t)(reader_uleb(&r) & INT64_MAX);
	}
	if (!ends(&r) || !fits16(inner) || !fits16(outer))
		return false;
	if (base != RSP && (base != RBP || indexed))
		return false;
	*ret = (struct unwind_rule_entry){
		.cfa = (uint8_t)(indexed       ? UNWIND_CFA_LEAF_INDEX + index
				 : base == RSP ? UNWIND_CFA_DEREF_RSP
					       : UNWIND_CFA_DEREF_RBP),
		.cfa_offset = (int)((uint32_t)(uint16_t)outer << 16 | (uint16_t)inner),
	};
	return true;
}

static bool is_breg(const struct cfi *c, const struct cfi_cie *cie, const struct cfi_value *v,
	uint32_t number, int64_t offset)
{
	struct reader r = expression(c, cie, v->value, v->n);
	uint32_t base;
	int64_t at;

	return v->where == CFI_AT_EXPRESSION && read_breg(&r, &base, &at) && ends(&r) &&
	       base == number && at == offset;
}

/* The trampoline of libc: everything at fixed places of the kernel's rt_sigframe, from rsp. */
static bool is_signal_frame(
	const struct cfi *c, const struct cfi_cie *cie, const struct cfi_state *s)
{
	struct unwind_rule_entry cfa;

	return cie->signal && s->cfa_is_expression &&
	       match_deref(expression(c, cie, s->cfa_expression, s->cfa_n), &cfa) &&
	       cfa.cfa == UNWIND_CFA_DEREF_RSP && cfa.cfa_offset == UNWIND_SIGRET_SP &&
	       is_breg(c, cie, &s->ra, RSP, UNWIND_SIGRET_SP + 8) &&
	       is_breg(c, cie, &s->bp, RSP, UNWIND_SIGRET_BP);
}

/* ---- rules ---- */

static struct unwind_rule_entry cfa_rule(
	const struct cfi *c, const struct cfi_cie *cie, const struct cfi_state *s)
{
	struct unwind_rule_entry rule = { 0 };
	uint32_t number = s->cfa_register;
	int64_t offset = s->cfa_offset;

	if (s->cfa_is_expression) {
		struct reader r = expression(c, cie, s->cfa_expression, s->cfa_n);

		if (match_plt(r, &rule) || match_deref(r, &rule))
			return rule;
		/* A register and an offset are as good as written without an expression. */
		if (!read_breg(&r, &number, &offset) || !ends(&r))
			return cfi_x86_unknown(UNWIND_UNKNOWN_EXPRESSION);
	}
	if (number >= GENERAL)
		return cfi_x86_unknown(UNWIND_UNKNOWN_REGISTER);
	if (offset < INT32_MIN || offset > INT32_MAX)
		return cfi_x86_unknown(UNWIND_UNKNOWN_RANGE);
	rule.cfa = (uint8_t)(number == RSP   ? UNWIND_CFA_RSP
			     : number == RBP ? UNWIND_CFA_RBP
					     : UNWIND_CFA_LEAF + number);
	rule.cfa_offset = (int)offset;
	return rule;
}

static void bp_rule(const struct cfi *c, const struct cfi_cie *cie, const struct cfi_value *bp,
	struct unwind_rule_entry *rule)
{
	struct reader r;
	uint32_t base;
	int64_t offset = bp->value;
	uint8_t kind = UNWIND_BP_UNKNOWN;

	switch (bp->where) {
	case CFI_SAME:
		return;
	case CFI_UNDEFINED:
		rule->bp = UNWIND_BP_UNDEFINED;
		return;
	case CFI_AT_CFA:
		kind = UNWIND_BP_AT_CFA;
		break;
	case CFI_IS_CFA:
		kind = UNWIND_BP_IS_CFA;
		break;
	case CFI_REGISTER:
		rule->bp = UNWIND_BP_UNKNOWN;
		if (bp->value == RBP)
			rule->bp = UNWIND_BP_SAME;
		else if (bp->value < GENERAL)
			rule->bp = (uint8_t)(UNWIND_BP_LEAF + bp->value);
		return;
	case CFI_AT_EXPRESSION:
		r = expression(c, cie, bp->value, bp->n);
		if (!read_breg(&r, &base, &offset) || !ends(&r))
			break;
		if (base == RBP)
			kind = UNWIND_BP_AT_RBP;
		else if (base == RSP)
			kind = UNWIND_BP_AT_RSP;
		break;
	default:
		break;
	}
	rule->bp = UNWIND_BP_UNKNOWN;
	if (kind == UNWIND_BP_UNKNOWN || !fits16(offset))
		return;
	rule->bp = kind;
	rule->bp_offset = (short)offset;
}

struct unwind_rule_entry cfi_x86_rule(
	const struct cfi *c, const struct cfi_cie *cie, const struct cfi_state *s)
{
	struct unwind_rule_entry rule;

	if (cie->ra != RIP)
		return cfi_x86_unknown(UNWIND_UNKNOWN_RETURN);
	if (s->ra.where == CFI_UNDEFINED)
		return (struct unwind_rule_entry){ .cfa = UNWIND_CFA_END };
	if (is_signal_frame(c, cie, s))
		return (struct unwind_rule_entry){ .cfa = UNWIND_CFA_SIGRET };
	rule = cfa_rule(c, cie, s);
	if (rule.cfa == UNWIND_CFA_UNKNOWN)
		return rule;
	if (s->sp.where != CFI_IS_CFA || s->sp.value != 0)
		return cfi_x86_unknown(UNWIND_UNKNOWN_RETURN);
	if (s->ra.where == CFI_REGISTER && s->ra.value < GENERAL && rule.cfa == UNWIND_CFA_RSP)
		rule.cfa = (uint8_t)(UNWIND_CFA_LEAF_RA + s->ra.value);
	else if (s->ra.where != CFI_AT_CFA || s->ra.value != -8)
		return cfi_x86_unknown(UNWIND_UNKNOWN_RETURN);
	bp_rule(c, cie, &s->bp, &rule);
	return rule;
}

bool cfi_x86_needs_kept(struct unwind_rule_entry rule)
{
	return rule.cfa == UNWIND_CFA_LEAF + RBX;
}

struct unwind_rule_entry cfi_x86_keeping(struct unwind_rule_entry rule, const struct cfi_state *s)
{
	bool is_saved = s->kept.where == CFI_AT_CFA && s->kept.value != 0 && fits16(s->kept.value);
	int64_t outer = is_saved ? s->kept.value : 0;

	if ((!is_saved && s->kept.where != CFI_SAME) || !fits16(rule.cfa_offset))
		return rule;
	if (rule.cfa == UNWIND_CFA_RSP)
		rule.cfa = UNWIND_CFA_RSP_KEEPS;
	else if (rule.cfa == UNWIND_CFA_RBP)
		rule.cfa = UNWIND_CFA_RBP_KEEPS;
	else
		return rule;
	rule.cfa_offset = (int)((uint32_t)(uint16_t)outer << 16 | (uint16_t)rule.cfa_offset);
	return rule;
}

/* ---- code ---- */

/* Length of the no-operation or filler at p; 0: it is something else. */
static size_t filler(const uint8_t *p, size_t n)
{
	size_t i = 0;
	uint8_t mode, base;

	if (p[0] == 0xcc || p[0] == 0x00)
		return 1;
	while (i < n && p[i] == 0x66)
		i++;
	if (i < n && p[i] == 0x2e)
		i++;
	if (i < n && p[i] == 0x90)
		return i + 1;
	if (n - i < 3 || p[i] != 0x0f || p[i + 1] != 0x1f)
		return 0;
	mode = p[i + 2] >> 6;
	base = p[i + 2] & 7;
	i += 3;
	if (mode == 3)
		return 0;
	if (base == 4) {
		if (i >= n)
			return 0;
		base = p[i++] & 7;
	}
	if (mode == 1)
		i += 1;
	else if (mode == 2 || base == 5)
		i += 4;
	return i <= n ? i : 0;
}

bool cfi_x86_is_padding(const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t step = filler(p, n);

		if (step == 0)
			return false;
		p += step;
		n -= step;
	}
	return true;
}
