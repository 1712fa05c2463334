/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the list of functions while a table is made, then the table. Parses nothing: cfi.c and
 * pcsp.c do. The file is a target's: functions are kept only inside of executable segments,
 * overlaps are cut, so that the bytes gone over are at most those of the file's code and tables.
 */
#include "image/unwind_table.h"

#include <errno.h>
#include <string.h>
#include "image/cfi_x86.h"
#include "image/pcsp.h"
#include "image/unwind_gap.h"

#define PAGE	   4096ULL
#define MAX_CODE   (1ULL << 32)
#define RADIX_BITS 11U
#define RADIX_SIZE (1U << RADIX_BITS)
#define NOT_SET	   UINT64_MAX

enum source { SOURCE_FDE, SOURCE_GO };

/* A function; addresses are offsets from the table's base. */
struct function {
	uint32_t start, end, item;
	uint32_t source;
};

struct builder {
	const struct elf *elf;
	struct unwind_span spans[ELF_MAX_SEGMENTS];
	uint32_t n_spans, last_span;
	uint64_t base, end;
	struct cfi cfi;
	struct pclntab go;
	bool has_go;
	bool needs_kept, keeps; /* cfi_x86_needs_kept() of a rule; rules are cfi_x86_keeping() */
	struct array functions;
	struct unwind_rows rows;
	struct unwind_table_stats stats;
};

static void builder_deinit(struct builder *b)
{
	unwind_rows_deinit(&b->rows);
	array_deinit(&b->functions);
	if (b->has_go)
		pclntab_deinit(&b->go);
	cfi_deinit(&b->cfi);
}

static int find_code(struct builder *b)
{
	const struct elf *e = b->elf;

	b->base = NOT_SET;
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *s = &e->segments[i];
		uint64_t n = s->offset < e->n ? MIN(s->filesz, e->n - s->offset) : 0;

		if (s->type != PT_LOAD || !(s->flags & PF_X) || n == 0 || s->vaddr + n < s->vaddr)
			continue;
		b->spans[b->n_spans++] = (struct unwind_span){ s->vaddr, s->vaddr + n };
		b->base = MIN(b->base, s->vaddr & ~(PAGE - 1));
		b->end = MAX(b->end, s->vaddr + n);
	}
	if (b->n_spans == 0)
		return -ENODATA;
	return b->end - b->base > MAX_CODE - PAGE ? -EFBIG : 0;
}

static bool is_code(struct builder *b, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < b->n_spans; i++) {
		uint32_t k = (b->last_span + i) % b->n_spans;

		if (start >= b->spans[k].start && end <= b->spans[k].end) {
			b->last_span = k;
			return true;
		}
	}
	return false;
}

static int add_function(
	struct builder *b, uint64_t start, uint64_t end, enum source source, uint64_t item)
{
	struct function *f;

	if (!is_code(b, start, end)) {
		b->stats.outside++;
		return 0;
	}
	f = array_push(&b->functions);
	if (!f)
		return b->functions.n >= b->functions.max ? -E2BIG : -ENOMEM;
	*f = (struct function){ .start = (uint32_t)(start - b->base),
		.end = (uint32_t)(end - b->base),
		.item = (uint32_t)item,
		.source = source };
	return 0;
}

static int add_fdes(struct builder *b, size_t from, uint64_t *count)
{
	for (size_t i = from; i < b->cfi.fdes.n; i++) {
		const struct cfi_fde *f = ARRAY_AT(&b->cfi.fdes, struct cfi_fde, i);
		int r = add_function(b, f->start, f->end, SOURCE_FDE, i);

		if (r < 0)
			return r;
	}
	*count = b->cfi.fdes.n - from;
	return 0;
}

static int add_go(struct builder *b)
{
	uint64_t start, end;
	struct goinfo go;
	int r;

	if (goinfo_read(b->elf, &go) < 0)
		return 0;
	r = pclntab_init(&b->go, b->elf, &go);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	b->has_go = true;
	for (uint64_t i = 0; i < pcsp_count(&b->go); i++) {
		if (!pcsp_range(&b->go, i, &start, &end))
			continue;
		r = add_function(b, start, end, SOURCE_GO, i);
		if (r < 0)
			return r;
		b->stats.go_functions++;
	}
	return 0;
}

/* What is not there, or of a form that cannot be read, is left out. */
static bool is_fatal(int r)
{
	return r == -ENOMEM || r == -E2BIG;
}

/* Sources in order of preference. */
static int collect(struct builder *b, const struct elf *debug)
{
	size_t before;
	int r;

	r = cfi_read_eh_frame(&b->cfi);
	if (is_fatal(r))
		return r;
	r = add_fdes(b, 0, &b->stats.eh_fdes);
	if (r == 0)
		r = add_go(b);
	if (r < 0)
		return r;
	before = b->cfi.fdes.n;
	r = cfi_read_debug_frame(&b->cfi, b->elf);
	if (!is_fatal(r) && debug)
		r = cfi_read_debug_frame(&b->cfi, debug);
	if (is_fatal(r))
		return r;
	return add_fdes(b, before, &b->stats.debug_fdes);
}

/* ---- order ---- */

static bool is_sorted(const struct function *f, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (f[i - 1].start > f[i].start)
			return false;
	}
	return true;
}

/* By start; those with equal ones stay in the order of their sources. Takes the same time whatever
 * the order is. */
static int sort(struct array *functions)
{
	struct function *from = functions->data, *to, *swap;
	_cleanup_free_ struct function *spare = NULL;
	size_t n = functions->n;

	if (is_sorted(from, n))
		return 0;
	spare = malloc(n * sizeof(*spare));
	if (!spare)
		return -ENOMEM;
	to = spare;
	for (unsigned shift = 0; shift < 32; shift += RADIX_BITS) {
		uint32_t at[RADIX_SIZE] = { 0 }, sum = 0;

		for (size_t i = 0; i < n; i++)
			at[(from[i].start >> shift) % RADIX_SIZE]++;
		for (uint32_t d = 0; d < RADIX_SIZE; d++) {
			uint32_t count = at[d];

			at[d] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[at[(from[i].start >> shift) % RADIX_SIZE]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	/* Three passes end in the spare copy. */
	memcpy(functions->data, from, n * sizeof(*from));
	return 0;
}

/* ---- rows ---- */

static int add_cfi_row(
	void *context, uint64_t pc, const struct cfi_cie *cie, const struct cfi_state *s)
{
	struct builder *b = context;
	struct unwind_rule_entry rule = cfi_x86_rule(&b->cfi, cie, s);

	b->needs_kept |= cfi_x86_needs_kept(rule);
	return unwind_rows_add(&b->rows, pc, b->keeps ? cfi_x86_keeping(rule, s) : rule);
}

static int add_go_row(void *context, uint64_t pc, struct unwind_rule_entry rule)
{
	struct builder *b = context;

	return unwind_rows_add(&b->rows, pc, rule);
}

/* Go's trampoline is a function to it like any other. */
static bool is_trampoline(const struct builder *b, const struct function *f)
{
	const uint8_t *p;
	size_t n;

	if (f->source != SOURCE_GO)
		return false;
	p = elf_at_vaddr(b->elf, b->base + f->start, &n);
	return p && n >= CFI_X86_SIGRETURN_N &&
	       memcmp(p, CFI_X86_SIGRETURN, CFI_X86_SIGRETURN_N) == 0;
}

static int add_rows(struct builder *b, const struct function *f, uint64_t end)
{
	uint64_t broken;
	int r;

	if (is_trampoline(b, f)) {
		b->stats.trampolines++;
		return unwind_rows_add(&b->rows, b->base + f->start - (f->start > 0),
			(struct unwind_rule_entry){ .cfa = UNWIND_CFA_SIGRET });
	}
	if (f->source == SOURCE_GO)
		r = pcsp_run(&b->go, f->item, end, add_go_row, b, &broken);
	else
		r = cfi_run(&b->cfi, ARRAY_AT(&b->cfi.fdes, struct cfi_fde, f->item), end,
			add_cfi_row, b, &broken);
	if (r != -EBADMSG)
		return r;
	b->stats.broken++;
	return unwind_rows_add(&b->rows, broken, cfi_x86_unknown(UNWIND_UNKNOWN_BROKEN));
}

static int make_rows(struct builder *b)
{
	const struct function *f = b->functions.data;
	size_t n = b->functions.n, next;
	uint64_t behind = b->base, end;
	const struct unwind_gaps gaps = { b->elf, b->spans, b->n_spans, &b->rows, &b->stats };
	int r;

	for (size_t i = 0; i < n; i = next) {
		for (next = i + 1; next < n && f[next].start == f[i].start; next++)
			b->stats.overlapping++;
		end = b->base + f[i].end;
		if (next < n && f[next].start < f[i].end) {
			b->stats.overlapping++;
			end = b->base + f[next].start;
		}
		r = unwind_gap_add(&gaps, behind, b->base + f[i].start);
		if (r == 0)
			r = add_rows(b, &f[i], end);
		if (r < 0)
			return r;
		behind = end;
	}
	return unwind_gap_add(&gaps, behind, b->end);
}

/* Most files go without rules that keep a register, which take longer to follow. One that needs
 * them is gone through twice: the loader, by whose resolver a function is called for the first
 * time. Not a program, in which that is linked and has no use. */
static int fill_rows(struct builder *b, uint32_t max_rows)
{
	const struct unwind_table_stats before = b->stats;
	int r;

	for (;;) {
		r = unwind_rows_init(&b->rows, b->base, b->end, max_rows);
		if (r == 0)
			r = make_rows(b);
		if (r < 0 || b->keeps || !b->needs_kept || !elf_has_soname(b->elf))
			return r;
		unwind_rows_deinit(&b->rows);
		b->stats = before;
		b->keeps = true;
	}
}

static void count_rows(const struct unwind_table *t, struct unwind_table_stats *stats)
{
	for (uint32_t i = 1; i < t->n_rows; i++) {
		const struct unwind_rule_entry *rule = &t->rules[t->rows[i] & UNWIND_ROW_RULE];

		if (rule->cfa == UNWIND_CFA_NONE)
			stats->none_rows++;
		else if (rule->cfa == UNWIND_CFA_UNKNOWN)
			stats->unknown_rows[rule->cfa_offset]++;
	}
}

/* What was allocated in advance is given back. */
static void *take(struct array *a, size_t n)
{
	void *data = a->data, *less = realloc(data, n * a->size);

	a->data = NULL;
	a->n = a->allocated = 0;
	return less ? less : data;
}

int unwind_table_build(
	const struct elf *elf, const struct elf *debug, uint32_t max_rows, struct unwind_table *ret)
{
	struct builder b CLEANUP(builder_deinit) = { .elf = elf };
	struct unwind_table t = { 0 };
	int r;

	b.functions = (struct array)ARRAY_INIT(struct function, 2 * (size_t)CFI_MAX_FDES);
	if (elf->machine != EM_X86_64)
		return -EOPNOTSUPP;
	r = find_code(&b);
	if (r < 0)
		return r;
	cfi_init(&b.cfi, &cfi_x86, elf);
	r = collect(&b, debug);
	if (r < 0)
		return r;
	r = sort(&b.functions);
	if (r == 0)
		r = fill_rows(&b, MIN(max_rows, UNWIND_TABLE_MAX_ROWS));
	if (r < 0 && !(r == -E2BIG && b.rows.full))
		return r;
	if (b.rows.n_rows == 1)
		return -ENODATA;
	r = unwind_rows_finish(&b.rows, &t.n_pages);
	if (r < 0)
		return r;
	t.base = b.base;
	t.n_rows = b.rows.n_rows;
	t.n_rules = (uint32_t)b.rows.rules.n;
	t.truncated = b.rows.full;
	t.rows = take(&b.rows.rows, t.n_rows);
	t.index = take(&b.rows.index, t.n_pages + 1);
	t.rules = take(&b.rows.rules, t.n_rules);
	t.stats = b.stats;
	t.stats.bad_records = b.cfi.bad;
	count_rows(&t, &t.stats);
	*ret = t;
	return 0;
}

void unwind_table_deinit(struct unwind_table *t)
{
	free(t->index);
	free(t->rows);
	free(t->rules);
	*t = (struct unwind_table){ 0 };
}

const struct unwind_rule_entry *unwind_table_lookup(const struct unwind_table *t, uint64_t vaddr)
{
	static const struct unwind_rule_entry none = { 0 };
	uint64_t page = (vaddr - t->base) >> UNWIND_PAGE_SHIFT;
	uint32_t low, high, key;

	if (vaddr < t->base || page >= t->n_pages)
		return &none;
	low = t->index[page];
	high = t->index[page + 1];
	key = (uint32_t)((vaddr - t->base) & (PAGE - 1)) << UNWIND_ROW_SHIFT | UNWIND_ROW_RULE;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->rows[middle] <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return &t->rules[t->rows[low - 1] & UNWIND_ROW_RULE];
}
