/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of a file's unwind table against libdw: both rules are followed with the same registers
 * and a memory in which every word is a hash of its address. CFA, return address, rbp, and rbx
 * where a rule tells, have to be the same at the first and the last byte of every row, of ours and
 * of libdw's.
 */
#ifndef PROFD_TEST_BENCH_UNWIND_COMPARE_H
#define PROFD_TEST_BENCH_UNWIND_COMPARE_H

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "image/unwind_table.h"

#define SHOWN 5 /* examples of a class in a file */

enum verdict {
	SAME,
	BOTH_NONE,
	PADDING,      /* libdw has no function here, the table goes on over padding */
	TRAMPOLINE,   /* found by its code; libdw has nothing */
	NOT_IN_TABLE, /* libdw has a function, the table has none */
	UNKNOWN,      /* the table says that it cannot tell */
	BP_UNKNOWN,   /* the table says that it cannot tell about rbp */
	LIBDW_FAILS,  /* libdw finds the function, and no rule */
	DIFFERENT_CFA,
	DIFFERENT_RETURN,
	DIFFERENT_BP,
	DIFFERENT_KEPT,
	VERDICTS,
};
static const char *const names[] = { "same", "both none", "padding", "trampoline", "not in table",
	"unknown", "rbp unknown", "libdw fails", "CFA DIFFERS", "RETURN DIFFERS", "RBP DIFFERS",
	"RBX DIFFERS" };

struct registers {
	uint64_t r[17];
};

static uint64_t memory(uint64_t address)
{
	uint64_t h = address * 0x9e3779b97f4a7c15ULL;

	return (h ^ h >> 29) * 0xd6e8feb86659fd93ULL;
}

/* ---- our rule ---- */

struct caller {
	bool end;
	bool has_bp, has_return, has_kept;
	uint64_t cfa, ip, bp, kept;
};

static struct caller follow(const struct unwind_rule_entry *rule, const struct registers *g)
{
	struct caller c = { .has_bp = true, .has_return = true };
	int16_t inner = (int16_t)(rule->cfa_offset & 0xffff);
	int16_t outer = (int16_t)((uint32_t)rule->cfa_offset >> 16);
	unsigned leaf = UNWIND_LEAF_REG(rule->cfa);
	int64_t offset = rule->cfa_offset;

	switch (rule->cfa & 0xf0 ? rule->cfa & 0xf0 : rule->cfa) {
	case UNWIND_CFA_RSP:
		c.cfa = g->r[7] + offset;
		break;
	case UNWIND_CFA_RBP:
		c.cfa = g->r[6] + offset;
		break;
	case UNWIND_CFA_RSP_KEEPS:
	case UNWIND_CFA_RBP_KEEPS:
		c.cfa = g->r[rule->cfa == UNWIND_CFA_RSP_KEEPS ? 7 : 6] + inner;
		c.has_kept = true;
		c.kept = outer ? memory(c.cfa + outer) : g->r[3];
		break;
	case UNWIND_CFA_PLT:
		c.cfa = g->r[7] + (offset & 0xff) + ((g->r[16] & 15) >= offset >> 8 ? 8 : 0);
		break;
	case UNWIND_CFA_DEREF_RBP:
		c.cfa = memory(g->r[6] + inner) + outer;
		break;
	case UNWIND_CFA_DEREF_RSP:
		c.cfa = memory(g->r[7] + inner) + outer;
		break;
	case UNWIND_CFA_SIGRET:
		c.cfa = memory(g->r[7] + UNWIND_SIGRET_SP);
		c.ip = memory(g->r[7] + UNWIND_SIGRET_SP + 8);
		c.bp = memory(g->r[7] + UNWIND_SIGRET_BP);
		return c;
	case UNWIND_CFA_END:
		c.end = true;
		return c;
	case UNWIND_CFA_LEAF:
		c.cfa = g->r[leaf] + offset;
		break;
	case UNWIND_CFA_LEAF_RA:
		c.cfa = g->r[7] + offset;
		break;
	case UNWIND_CFA_LEAF_INDEX:
		c.cfa = memory(g->r[7] + 8 * g->r[leaf] + inner) + outer;
		break;
	}
	c.ip = (rule->cfa & 0xf0) == UNWIND_CFA_LEAF_RA ? g->r[leaf] : memory(c.cfa - 8);
	switch (rule->bp & 0xf0 ? rule->bp & 0xf0 : rule->bp) {
	case UNWIND_BP_SAME:
		c.bp = g->r[6];
		break;
	case UNWIND_BP_AT_CFA:
		c.bp = memory(c.cfa + rule->bp_offset);
		break;
	case UNWIND_BP_AT_RBP:
		c.bp = memory(g->r[6] + rule->bp_offset);
		break;
	case UNWIND_BP_AT_RSP:
		c.bp = memory(g->r[7] + rule->bp_offset);
		break;
	case UNWIND_BP_IS_CFA:
		c.bp = c.cfa + rule->bp_offset;
		break;
	case UNWIND_BP_LEAF:
		c.bp = g->r[UNWIND_LEAF_REG(rule->bp)];
		break;
	default:
		c.has_bp = false;
	}
	return c;
}

/* ---- libdw's ---- */

/* The value of an expression as libdw hands it out; location: in memory there. False: an operation
 * that is not known here. */
static bool evaluate(const Dwarf_Op *ops, size_t n, const struct registers *g, uint64_t cfa,
	bool location, uint64_t *ret)
{
	uint64_t stack[32] = { 0 }, v;
	unsigned top = 0;
	bool is_value = !location;

	for (size_t i = 0; i < n; i++) {
		const Dwarf_Op *op = &ops[i];

		if (top >= 30)
			return false;
		switch (op->atom) {
		case DW_OP_breg0 ... DW_OP_breg16:
			stack[++top] = g->r[op->atom - DW_OP_breg0] + op->number;
			break;
		case DW_OP_bregx:
			if (op->number > 16)
				return false;
			stack[++top] = g->r[op->number] + op->number2;
			break;
		case DW_OP_reg0 ... DW_OP_reg16:
			stack[++top] = g->r[op->atom - DW_OP_reg0];
			is_value = true;
			break;
		case DW_OP_regx:
			if (op->number > 16)
				return false;
			stack[++top] = g->r[op->number];
			is_value = true;
			break;
		case DW_OP_call_frame_cfa:
			stack[++top] = cfa;
			break;
		case DW_OP_stack_value:
			is_value = true;
			break;
		case DW_OP_lit0 ... DW_OP_lit31:
			stack[++top] = op->atom - DW_OP_lit0;
			break;
		case DW_OP_plus_uconst:
			stack[top] += op->number;
			break;
		case DW_OP_const1s:
		case DW_OP_const2s:
		case DW_OP_const4s:
		case DW_OP_consts:
		case DW_OP_const1u:
		case DW_OP_const2u:
		case DW_OP_const4u:
		case DW_OP_constu:
			stack[++top] = op->number;
			break;
		case DW_OP_deref:
			stack[top] = memory(stack[top]);
			break;
		case DW_OP_and:
		case DW_OP_plus:
		case DW_OP_minus:
		case DW_OP_mul:
		case DW_OP_shl:
		case DW_OP_ge:
			if (top < 2)
				return false;
			v = stack[top--];
			if (op->atom == DW_OP_and)
				stack[top] &= v;
			else if (op->atom == DW_OP_plus)
				stack[top] += v;
			else if (op->atom == DW_OP_minus)
				stack[top] -= v;
			else if (op->atom == DW_OP_mul)
				stack[top] *= v;
			else if (op->atom == DW_OP_shl)
				stack[top] <<= v & 63;
			else
				stack[top] = (int64_t)stack[top] >= (int64_t)v;
			break;
		default:
			return false;
		}
	}
	*ret = is_value ? stack[top] : memory(stack[top]);
	return top > 0;
}

static bool libdw_follow(Dwarf_Frame *frame, const struct registers *g, struct caller *ret)
{
	struct caller c = { 0 };
	Dwarf_Op space[3], *ops;
	uint64_t sp;
	size_t n;

	if (dwarf_frame_register(frame, 16, space, &ops, &n) != 0)
		return false;
	if (n == 0 && ops == space) {
		c.end = true;
		*ret = c;
		return true;
	}
	if (dwarf_frame_cfa(frame, &ops, &n) != 0 || n == 0 ||
		!evaluate(ops, n, g, 0, false, &c.cfa))
		return false;
	if (dwarf_frame_register(frame, 16, space, &ops, &n) != 0)
		return false;
	c.has_return = n > 0 && evaluate(ops, n, g, c.cfa, true, &c.ip);
	if (dwarf_frame_register(frame, 7, space, &ops, &n) != 0 || n == 0 ||
		!evaluate(ops, n, g, c.cfa, true, &sp) || sp != c.cfa)
		c.has_return = false;
	if (dwarf_frame_register(frame, 6, space, &ops, &n) != 0)
		return false;
	c.has_bp = true;
	if (n > 0)
		c.has_bp = evaluate(ops, n, g, c.cfa, true, &c.bp);
	else if (ops == space)
		c.has_bp = false;
	else
		c.bp = g->r[6];
	if (dwarf_frame_register(frame, 3, space, &ops, &n) != 0)
		return false;
	/* Where nothing is said it is the same: libdw means to say so, of the wrong number (rax).
	 */
	c.kept = g->r[3];
	c.has_kept = n == 0 || evaluate(ops, n, g, c.cfa, true, &c.kept);
	*ret = c;
	return true;
}

/* ---- comparing ---- */

struct comparison {
	const char *path;
	const struct unwind_table *table;
	Dwarf_CFI *eh, *debug;
	uint64_t found[VERDICTS];
};

static enum verdict compare_at(struct comparison *c, uint64_t pc, Dwarf_Frame *frame)
{
	const struct unwind_rule_entry *rule = unwind_table_lookup(c->table, pc);
	struct registers g = { { 0 } };
	struct caller ours, theirs;

	for (unsigned i = 0; i < 16; i++)
		g.r[i] = memory(i + 1) & 0x7ffffffffff8;
	g.r[16] = pc;
	if (!frame) {
		if (rule->cfa == UNWIND_CFA_NONE)
			return BOTH_NONE;
		return rule->cfa == UNWIND_CFA_SIGRET ? TRAMPOLINE : PADDING;
	}
	if (rule->cfa == UNWIND_CFA_NONE)
		return NOT_IN_TABLE;
	if (rule->cfa == UNWIND_CFA_UNKNOWN || rule->cfa == UNWIND_CFA_SWITCH ||
		rule->cfa == UNWIND_CFA_SWITCH_SKIP)
		return UNKNOWN;
	if (!libdw_follow(frame, &g, &theirs))
		return LIBDW_FAILS;
	ours = follow(rule, &g);
	if (ours.end || theirs.end)
		return ours.end == theirs.end ? SAME : DIFFERENT_RETURN;
	if (ours.cfa != theirs.cfa)
		return DIFFERENT_CFA;
	if (!theirs.has_return || ours.ip != theirs.ip)
		return DIFFERENT_RETURN;
	/* Go's .debug_frame says nothing about rbp. */
	if (c->table->stats.go_functions > 0)
		return SAME;
	if (!ours.has_bp && theirs.has_bp)
		return BP_UNKNOWN;
	if (ours.has_bp != theirs.has_bp || (ours.has_bp && ours.bp != theirs.bp))
		return DIFFERENT_BP;
	if (ours.has_kept && (!theirs.has_kept || ours.kept != theirs.kept))
		return DIFFERENT_KEPT;
	return SAME;
}

static Dwarf_Frame *libdw_frame(const struct comparison *c, uint64_t pc)
{
	Dwarf_Frame *frame = NULL;

	if (c->eh && dwarf_cfi_addrframe(c->eh, pc, &frame) == 0)
		return frame;
	if (c->debug && dwarf_cfi_addrframe(c->debug, pc, &frame) == 0)
		return frame;
	return NULL;
}

static void check(struct comparison *c, uint64_t pc, Dwarf_Frame *frame)
{
	enum verdict verdict = compare_at(c, pc, frame);
	const struct unwind_rule_entry *rule;

	if (c->found[verdict] < SHOWN && verdict >= NOT_IN_TABLE) {
		rule = unwind_table_lookup(c->table, pc);
		printf("  %s %s %#lx cfa %#x%+d rbp %#x%+d\n", names[verdict], c->path, pc,
			rule->cfa, rule->cfa_offset, rule->bp, rule->bp_offset);
	}
	c->found[verdict]++;
}

/* Address of the first row behind pc. */
static uint64_t row_end(const struct unwind_table *t, uint64_t pc, uint64_t end)
{
	uint64_t page = (pc - t->base) >> UNWIND_PAGE_SHIFT;
	uint64_t here = (pc - t->base) & 0xfff;

	for (; page < t->n_pages; page++, here = 0) {
		uint32_t low = t->index[page], high = t->index[page + 1];

		while (low < high) {
			uint32_t middle = low + (high - low) / 2;
			uint64_t at = t->rows[middle] >> UNWIND_ROW_SHIFT;

			if (at > here || (here == 0 && at == 0 && page > (pc - t->base) >> 12))
				high = middle;
			else
				low = middle + 1;
		}
		if (low < t->index[page + 1])
			return MIN(
				t->base + (page << 12) + (t->rows[low] >> UNWIND_ROW_SHIFT), end);
	}
	return end;
}

static void compare_all(struct comparison *c, uint64_t end)
{
	const struct unwind_table *t = c->table;
	uint64_t pc = t->base, next;

	while (pc < end) {
		Dwarf_Addr from, to;
		Dwarf_Frame *frame = libdw_frame(c, pc), *last;

		check(c, pc, frame);
		next = row_end(t, pc, end);
		if (frame && dwarf_frame_info(frame, &from, &to, NULL) >= 0 && to > pc)
			next = MIN(next, to);
		else if (unwind_table_lookup(t, pc)->cfa != UNWIND_CFA_NONE)
			next = pc + 1;
		if (next - pc > 1) {
			last = libdw_frame(c, next - 1);
			check(c, next - 1, last);
			free(last);
		}
		free(frame);
		pc = next;
	}
}

static uint64_t code_end(const struct elf *e)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *s = &e->segments[i];

		if (s->type == PT_LOAD && (s->flags & PF_X))
			end = MAX(end, s->vaddr + s->filesz);
	}
	return end;
}

/* Adds to counts by class; tells of the first few that are not the same. */
static void compare_file(const char *path, int fd, const struct elf *e,
	const struct unwind_table *t, uint64_t counts[VERDICTS])
{
	struct comparison c = { .path = path, .table = t };
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);

	c.eh = dwarf_getcfi_elf(elf);
	c.debug = dwarf ? dwarf_getcfi(dwarf) : NULL;
	compare_all(&c, code_end(e));
	for (int i = 0; i < VERDICTS; i++)
		counts[i] += c.found[i];
	dwarf_cfi_end(c.eh);
	if (dwarf)
		dwarf_end(dwarf);
	elf_end(elf);
}

#endif
