/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns nothing; reads the tables that pclntab.c has found, and the code they are about. Both are a
 * target's: every offset is checked here, and a table is read for as many steps as its function has
 * bytes.
 */
#include "image/pcsp.h"

#include <errno.h>
#include <string.h>
#include "base/bytes.h"

#define FLAG_TOP	0x01U /* abi.FuncFlagTopFrame */
#define FLAG_WRITES_SP	0x02U /* abi.FuncFlagSPWrite */
#define MAX_FRAME_BYTES (INT32_MAX - 16)

/* Offsets in a _func record; 0: the version has no such field. */
struct layout {
	uint8_t name, pcsp, flag, size;
};
static const struct layout layouts[] = {
	[PCLNTAB_1_2] = { 8, 20, 0, 40 },
	[PCLNTAB_1_16] = { 8, 20, 41, 44 },
	[PCLNTAB_1_18] = { 4, 16, 37, 40 },
	[PCLNTAB_1_20] = { 4, 16, 41, 44 },
};

/* What a function does with rbp at its begin. */
struct prologue {
	bool saves;	 /* at CFA-16 */
	bool moved;	 /* then makes it its own frame pointer */
	uint64_t saved;	 /* behind the instruction that does */
	uint64_t framed; /* behind the instruction that moves */
};

struct function {
	uint64_t start, end;
	uint64_t record; /* offset of the _func record */
	const uint8_t *code;
	size_t code_n;
	bool is_top, writes_sp;
};

struct run {
	const struct function *f;
	pcsp_row_fn row;
	void *context;
	bool known; /* the prologue has been seen */
	struct prologue prologue;
};

static uint64_t get(const struct pclntab *t, uint64_t offset, size_t n)
{
	uint64_t v = 0;

	if (offset <= t->bytes.n && n <= t->bytes.n - offset)
		memcpy(&v, t->bytes.data + offset, n);
	return v;
}

static uint64_t entry(const struct pclntab *t, uint64_t i)
{
	if (t->version <= PCLNTAB_1_16)
		return get(t, t->functions + i * 16, 8);
	return t->text + get(t, t->functions + i * 8, 4);
}

uint64_t pcsp_count(const struct pclntab *t)
{
	return t->n_functions;
}

bool pcsp_range(const struct pclntab *t, uint64_t index, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t start = entry(t, index), end = entry(t, index + 1);

	if (start == 0 || end <= start)
		return false;
	*ret_start = start;
	*ret_end = end;
	return true;
}

/* What ends a stack also where the flag is not there (1.16), or never is: on top of mcall runs the
 * scheduler, which no goroutine called. */
static const char *const ends[] = { "runtime.mcall", "runtime.goexit", "runtime.mstart",
	"runtime.rt0_go", "_rt0_amd64_linux", "_rt0_amd64" };
/* Go's own unwinder stops at its signal handler; its caller is the trampoline. */
static const char *const handlers[] = { "runtime.sigtramp", "runtime.cgoSigtramp" };

static bool is_named(const struct pclntab *t, uint64_t record, const char *const *names, size_t n)
{
	uint64_t at = t->names + get(t, record + layouts[t->version].name, 4);

	if (at >= t->bytes.n)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(names[i]) + 1;

		if (length <= t->bytes.n - at && memcmp(t->bytes.data + at, names[i], length) == 0)
			return true;
	}
	return false;
}

static bool find_function(
	const struct pclntab *t, uint64_t index, uint64_t end, struct function *ret)
{
	const struct layout *l = &layouts[t->version];
	struct function f = { 0 };
	uint8_t flags;

	if (!pcsp_range(t, index, &f.start, &f.end))
		return false;
	f.end = MIN(f.end, end);
	if (t->version <= PCLNTAB_1_16)
		f.record = get(t, t->functions + index * 16 + 8, 8);
	else
		f.record = get(t, t->functions + index * 8 + 4, 4);
	if (f.record > t->bytes.n)
		return false;
	if (t->version != PCLNTAB_1_2)
		f.record += t->functions;
	if (f.record > t->bytes.n || l->size > t->bytes.n - f.record)
		return false;
	flags = l->flag ? (uint8_t)get(t, f.record + l->flag, 1) : 0;
	f.is_top = is_named(t, f.record, ends, ARRAY_SIZE(ends)) ||
		   ((flags & FLAG_TOP) && !is_named(t, f.record, handlers, ARRAY_SIZE(handlers)));
	f.writes_sp = flags & FLAG_WRITES_SP;
	f.code = elf_at_vaddr(t->elf, f.start, &f.code_n);
	if (!f.code)
		f.code_n = 0;
	f.code_n = MIN(f.code_n, f.end - f.start);
	*ret = f;
	return true;
}

/* ---- code ---- */

static bool code_is(const struct function *f, uint64_t at, const char *bytes, size_t n)
{
	uint64_t into = at - f->start;

	return at >= f->start && into <= f->code_n && n <= f->code_n - into &&
	       memcmp(f->code + into, bytes, n) == 0;
}

/* An instruction on n(%rsp), opcode and modrm given as for a one-byte n. Its size; 0: another. */
static size_t rsp_operand(const struct function *f, uint64_t at, const char *opcode, int64_t n)
{
	char bytes[5] = { opcode[0], opcode[1], opcode[2], 0x24, (char)n };
	int32_t wide = (int32_t)n;

	if (n >= -128 && n < 128 && code_is(f, at, bytes, 5))
		return 5;
	bytes[2] = (char)(bytes[2] + 0x40);
	if (code_is(f, at, bytes, 4) && code_is(f, at + 4, (const char *)&wide, 4))
		return 8;
	return 0;
}

/* At the first instruction with a frame, `depth` bytes of it. Before 1.21: sub n, %rsp; mov %rbp,
 * n-8(%rsp); lea n-8(%rsp), %rbp. Since then: push %rbp; mov %rsp, %rbp; sub n, %rsp. */
static void read_prologue(struct run *u, uint64_t at, int32_t depth)
{
	const struct function *f = u->f;
	struct prologue p = { 0 };
	size_t n;

	u->known = true;
	if (depth == 8 && code_is(f, at - 1, "\x55", 1)) {
		p.saves = true;
		p.saved = at;
		p.moved = code_is(f, at, "\x48\x89\xe5", 3);
		p.framed = at + 3;
	} else {
		n = rsp_operand(f, at, "\x48\x89\x6c", depth - 8);
		p.saves = n > 0;
		p.saved = at + n;
		n = rsp_operand(f, p.saved, "\x48\x8d\x6c", depth - 8);
		p.moved = n > 0;
		p.framed = p.saved + n;
	}
	u->prologue = p;
}

/* Where rbp is the caller's again, before the frame of `depth` bytes is given up at `at`; `at`: not
 * before. mov n-8(%rsp), %rbp; add n, %rsp */
static uint64_t epilogue(const struct function *f, uint64_t at, int32_t depth)
{
	int32_t wide = depth;
	uint64_t add = at;

	if ((depth < 128 && code_is(f, at - 4, "\x48\x83\xc4", 3) &&
		    code_is(f, at - 1, (const char[]){ (char)depth }, 1)) ||
		(depth == 128 && code_is(f, at - 4, "\x48\x83\xec\x80", 4)))
		add = at - 4;
	else if (code_is(f, at - 7, "\x48\x81\xc4", 3) &&
		 code_is(f, at - 4, (const char *)&wide, 4))
		add = at - 7;
	if (add != at && (rsp_operand(f, add - 5, "\x48\x8b\x6c", depth - 8) == 5 ||
				 rsp_operand(f, add - 8, "\x48\x8b\x6c", depth - 8) == 8))
		return add;
	return at;
}

/* Which of r8 to r15 was popped right before `at`; 0: none. syscall.rawVforkSyscall keeps its
 * return address in one. */
static unsigned popped(const struct function *f, uint64_t at)
{
	for (unsigned n = 8; n < 16; n++) {
		if (code_is(f, at - 2, (const char[]){ 0x41, (char)(0x58 + n - 8) }, 2))
			return n;
	}
	return 0;
}

/* ---- rules ---- */

static int put(
	struct run *u, uint64_t pc, enum unwind_cfa cfa, int32_t cfa_offset, enum unwind_bp bp)
{
	struct unwind_rule_entry rule = { .cfa = (uint8_t)cfa,
		.cfa_offset = cfa_offset,
		.bp = (uint8_t)bp,
		.bp_offset = (short)(bp == UNWIND_BP_AT_CFA ? -16 : 0) };

	return pc < u->f->end ? u->row(u->context, pc, rule) : 0;
}

/* Code that moves to another stack: what pcsp says holds for as long as it has not. With a frame
 * pointer of its own the way back is in rbp. */
static int put_switching(struct run *u, uint64_t from, uint64_t to, int32_t depth)
{
	const struct prologue *p = &u->prologue;
	uint64_t restored = to;
	int r;

	if (!p->saves || !p->moved)
		return put(u, from, UNWIND_CFA_SWITCH_SKIP, 16, UNWIND_BP_AT_CFA);
	if (from < p->saved) {
		r = put(u, from, UNWIND_CFA_RSP, depth + 8, UNWIND_BP_SAME);
		if (r < 0)
			return r;
	}
	if (from < p->framed) {
		r = put(u, p->saved, UNWIND_CFA_RSP, depth + 8, UNWIND_BP_AT_CFA);
		if (r < 0)
			return r;
	}
	if (p->framed >= to)
		return 0;
	r = put(u, MAX(from, p->framed), UNWIND_CFA_SWITCH, 16, UNWIND_BP_AT_CFA);
	if (r == 0 && depth >= 8)
		restored = epilogue(u->f, to, depth);
	if (r == 0 && restored < to && restored > p->framed)
		r = put(u, restored, UNWIND_CFA_RSP, depth + 8, UNWIND_BP_SAME);
	return r;
}

/* The stack pointer is `depth` bytes below the return address in [from, to); is_last: up to the
 * end.
 */
static int put_segment(struct run *u, uint64_t from, uint64_t to, int32_t depth, bool is_last)
{
	const struct function *f = u->f;
	int r;

	if (depth == -8 && popped(f, from) > 0)
		return put(u, from, UNWIND_CFA_LEAF_RA + popped(f, from), 0, UNWIND_BP_SAME);
	if (depth < 0 || depth > MAX_FRAME_BYTES)
		return u->row(u->context, from,
			(struct unwind_rule_entry){
				.cfa = UNWIND_CFA_UNKNOWN, .cfa_offset = UNWIND_UNKNOWN_RANGE });
	if (depth > 0 && !u->known)
		read_prologue(u, from, depth);
	/* Before a function has its frame it has not moved. */
	if (f->writes_sp && (depth > 0 || (!u->known && is_last)))
		return put_switching(u, from, to, depth);
	if (depth == 0)
		return put(u, from, UNWIND_CFA_RSP, 8, UNWIND_BP_SAME);
	if (!u->prologue.saves || depth < 8)
		return put(u, from, UNWIND_CFA_RSP, depth + 8, UNWIND_BP_UNKNOWN);
	if (from < u->prologue.saved) {
		r = put(u, from, UNWIND_CFA_RSP, depth + 8, UNWIND_BP_SAME);
		if (r < 0 || u->prologue.saved >= to)
			return r;
		from = u->prologue.saved;
	}
	return put(u, from, UNWIND_CFA_RSP, depth + 8, UNWIND_BP_AT_CFA);
}

int pcsp_run(const struct pclntab *t, uint64_t index, uint64_t end, pcsp_row_fn row, void *context,
	uint64_t *ret_pc)
{
	struct reader r = READER_INIT(t->bytes.data, t->bytes.n);
	uint32_t depth = UINT32_MAX, offset;
	struct function f;
	uint64_t pc, step;
	bool is_last;
	int error;

	if (!find_function(t, index, end, &f))
		return 0;
	struct run u = { .f = &f, .row = row, .context = context };
	if (f.is_top)
		return put(&u, f.start, UNWIND_CFA_END, 0, UNWIND_BP_SAME);
	offset = (uint32_t)get(t, f.record + layouts[t->version].pcsp, 4);
	if (offset == 0) /* a C function that Go's linker linked */
		return put(&u, f.start, UNWIND_CFA_NONE, 0, UNWIND_BP_SAME);
	reader_seek(&r, t->pcs + offset);
	for (pc = f.start; pc < f.end; pc += step) {
		uint32_t delta = (uint32_t)reader_uleb(&r);

		/* The table ends where the code does, in front of the padding. */
		if (!r.bad && delta == 0 && pc != f.start)
			return 0;
		depth += (delta >> 1) ^ -(delta & 1);
		step = (uint32_t)reader_uleb(&r) * (uint64_t)t->quantum;
		if (r.bad || step == 0)
			break;
		step = MIN(step, f.end - pc);
		is_last = step == f.end - pc || (reader_left(&r) > 0 && *r.at == 0);
		error = put_segment(&u, pc, pc + step, (int32_t)depth, is_last);
		if (error < 0)
			return error;
	}
	if (pc < f.end) {
		*ret_pc = pc;
		return -EBADMSG;
	}
	return 0;
}
