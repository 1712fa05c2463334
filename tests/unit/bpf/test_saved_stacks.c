/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks that were saved with the rows that unwind them, walked by the step that the programs use:
 * every file in data/ is a case. tests/unit/bpf/save_stack.c makes one of a live process. Lines:
 *
 *   reg N VALUE            register by DWARF number; 16 is rip
 *   map START END table|none|pending
 *   row PC CFA BP BP_OFFSET CFA_OFFSET   in force from PC on, within its mapping; sorted
 *   memory ADDRESS WORD...
 *   expect IP...           the whole chain, as it is recorded; may be given in several lines
 *   end REASON             a name of bpf/drops.def
 *
 * Numbers are hexadecimal but for N and those of a rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/unwind_step.h"

#define MAX_MAPS   64
#define MAX_ROWS   4096
#define MAX_PIECES 512
#define MAX_WORDS  65536
#define MAX_FRAMES ABI_USER_FRAMES

struct saved {
	struct unwind_regs regs;
	struct unwind_leaf leaf;
	struct {
		uint64_t start, end;
		char kind;
	} maps[MAX_MAPS];
	struct {
		uint64_t pc, rule;
	} rows[MAX_ROWS];
	struct {
		uint64_t at;
		unsigned first, n;
	} pieces[MAX_PIECES];
	uint64_t words[MAX_WORDS];
	uint64_t expected[MAX_FRAMES];
	unsigned n_maps, n_rows, n_pieces, n_words, n_expected;
	char reason[64];
};
static struct saved saved;

static const char *const reasons[] = {
#define X(id, name, text) name,
	TRUNCATE_REASONS(X)
#undef X
};

static uint64_t *word_at(uint64_t address)
{
	for (unsigned i = 0; i < saved.n_pieces; i++)
		if (address - saved.pieces[i].at < saved.pieces[i].n * 8ULL)
			return &saved.words[saved.pieces[i].first +
					    (address - saved.pieces[i].at) / 8];
	return NULL;
}

/* Only whole words are saved; one that is not aligned is put together. */
static int read_byte_shifted(uint64_t address, uint64_t *ret)
{
	const uint64_t *low = word_at(address), *high;
	unsigned shift = (address & 7) * 8;

	if (!low)
		return -1;
	*ret = *low;
	if (!shift)
		return 0;
	high = word_at(address + 8);
	if (!high)
		return -1;
	*ret = *low >> shift | *high << (64 - shift);
	return 0;
}

static int read_saved(void *memory, uint64_t address, uint64_t *low, uint64_t *high)
{
	(void)memory;
	if (read_byte_shifted(address, low))
		return -1;
	if (read_byte_shifted(address + 8, high))
		*high = 0;
	return 0;
}

static uint64_t rule_at(uint64_t pc)
{
	uint64_t rule = ARCH_RULE_POINTER(UNWIND_CFA_NONE);
	unsigned i;

	for (i = 0; i < saved.n_maps; i++)
		if (pc >= saved.maps[i].start && pc < saved.maps[i].end)
			break;
	if (i == saved.n_maps)
		return ARCH_RULE_POINTER(UNWIND_POINTER_NOWHERE);
	if (saved.maps[i].kind != 't')
		return ARCH_RULE_POINTER(
			saved.maps[i].kind == 'n' ? UNWIND_POINTER_CODE : UNWIND_POINTER_PENDING);
	for (unsigned row = 0; row < saved.n_rows && saved.rows[row].pc <= pc; row++)
		if (saved.rows[row].pc >= saved.maps[i].start)
			rule = saved.rows[row].rule;
	return rule;
}

/* ---- the file ---- */

static void add_memory(char *at)
{
	unsigned first = saved.n_words;

	assert_true(saved.n_pieces < MAX_PIECES);
	saved.pieces[saved.n_pieces].at = strtoull(at, &at, 16);
	while (*at == ' ') {
		assert_true(saved.n_words < MAX_WORDS);
		saved.words[saved.n_words++] = strtoull(at, &at, 16);
	}
	saved.pieces[saved.n_pieces].first = first;
	saved.pieces[saved.n_pieces++].n = saved.n_words - first;
}

static void add_row(const char *at)
{
	unsigned long long pc;
	unsigned cfa, bp;
	int bp_offset, cfa_offset;

	assert_true(saved.n_rows < MAX_ROWS);
	assert_int_equal(
		sscanf(at, "%llx %u %u %d %d", &pc, &cfa, &bp, &bp_offset, &cfa_offset), 5);
	saved.rows[saved.n_rows].pc = pc;
	saved.rows[saved.n_rows++].rule =
		cfa == UNWIND_CFA_NONE ? ARCH_RULE_POINTER(UNWIND_CFA_NONE)
				       : UNWIND_RULE(cfa, bp, bp_offset, (uint32_t)cfa_offset);
}

static void add_register(const char *at)
{
	unsigned long long value;
	unsigned number;

	assert_int_equal(sscanf(at, "%u %llx", &number, &value), 2);
	assert_true(number <= 16);
	if (number == 16)
		saved.regs.ip = value;
	else
		saved.leaf.registers[number] = value;
	if (number == 6)
		saved.regs.bp = value;
	if (number == 7)
		saved.regs.sp = value;
}

static void add_line(char *line)
{
	unsigned long long start, end;
	char kind[16];

	line[strcspn(line, "\n")] = 0;
	if (strncmp(line, "reg ", 4) == 0) {
		add_register(line + 4);
	} else if (strncmp(line, "map ", 4) == 0) {
		assert_true(saved.n_maps < MAX_MAPS);
		assert_int_equal(sscanf(line + 4, "%llx %llx %15s", &start, &end, kind), 3);
		saved.maps[saved.n_maps].start = start;
		saved.maps[saved.n_maps].end = end;
		saved.maps[saved.n_maps++].kind = kind[0];
	} else if (strncmp(line, "row ", 4) == 0) {
		add_row(line + 4);
	} else if (strncmp(line, "memory ", 7) == 0) {
		add_memory(line + 7);
	} else if (strncmp(line, "expect", 6) == 0) {
		for (char *at = line + 6; *at == ' ';) {
			assert_true(saved.n_expected < MAX_FRAMES);
			saved.expected[saved.n_expected++] = strtoull(at, &at, 16);
		}
	} else if (strncmp(line, "end ", 4) == 0) {
		(void)snprintf(saved.reason, sizeof(saved.reason), "%.63s", line + 4);
	} else {
		assert_true(line[0] == '#' || line[0] == 0);
	}
}

static void read_case(const char *path)
{
	static char line[1 << 20];
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	memset(&saved, 0, sizeof(saved));
	while (fgets(line, sizeof(line), f))
		add_line(line);
	(void)fclose(f);
}

/* ---- the walk, as bpf/unwind.h does it ---- */

static int walk(uint64_t *frames, unsigned *ret_n)
{
	struct unwind_regs regs = saved.regs;
	int is_leaf = 1, reason, pending = 0;
	unsigned n = 1;

	frames[0] = regs.ip;
	for (;;) {
		uint64_t rule = rule_at(regs.ip - !is_leaf);
		struct unwind_regs fast = regs;
		int took = !is_leaf && unwind_step_fast(rule, &fast, read_saved, NULL);

		pending |= unwind_rule_cfa(rule) == UNWIND_POINTER_PENDING;
		reason = unwind_step(rule, &regs, is_leaf, &saved.leaf, read_saved, NULL);
		if (took) {
			assert_int_equal(reason, UNWIND_MORE);
			assert_memory_equal(&fast, &regs, sizeof(regs));
		}
		is_leaf = reason == UNWIND_SIGNAL;
		if (reason >= 0 || n == MAX_FRAMES)
			break;
		frames[n++] = regs.ip + (uint64_t)is_leaf;
	}
	*ret_n = n;
	return reason == TRUNCATE_NONE && pending ? TRUNCATE_NO_TABLE_YET : reason;
}

static void check_case(const char *name)
{
	uint64_t frames[MAX_FRAMES];
	unsigned n, same = 0;
	char path[512];
	int reason;

	(void)snprintf(path, sizeof(path), "%s/%s", TEST_DATA, name);
	read_case(path);
	assert_true(saved.n_expected > 0 && saved.reason[0]);
	reason = walk(frames, &n);
	while (same < n && same < saved.n_expected && frames[same] == saved.expected[same])
		same++;
	if (same != n || n != saved.n_expected)
		fail_msg("%s: frame %u of %u is %llx, not %llx of %u", name, same, n,
			same < n ? (unsigned long long)frames[same] : 0,
			same < saved.n_expected ? (unsigned long long)saved.expected[same] : 0,
			saved.n_expected);
	assert_in_range(reason, 0, TRUNCATE_COUNT - 1);
	assert_string_equal(reasons[reason], saved.reason);
}

static void every_saved_stack_is_walked_as_is_known(void **state)
{
	DIR *folder = opendir(TEST_DATA);
	const struct dirent *entry;
	unsigned n = 0;

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		size_t length = strlen(entry->d_name);

		if (length < 6 || strcmp(entry->d_name + length - 6, ".stack") != 0)
			continue;
		check_case(entry->d_name);
		n++;
	}
	(void)closedir(folder);
	assert_true(n >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_saved_stack_is_walked_as_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
