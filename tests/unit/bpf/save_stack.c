/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_stack PID: stops a thread, walks its stack by the tables of its files with the step that the
 * programs use, and prints what the walk took: a case for test_saved_stacks.c. The chain is what
 * the walk found, so compare it with `eu-stack -r -p PID` or gdb before it goes to data/.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "bpf/unwind_step.h"
#include "image/unwind_table.h"
#include "proc/maps.h"

#define MAX_MAPS  1024
#define MAX_WORDS 65536
#define MAX_ROWS  4096

static struct map {
	uint64_t start, end, bias;
	bool has_table, used;
	struct unwind_table table;
} maps[MAX_MAPS];
static struct {
	uint64_t address, value;
} words[MAX_WORDS];
static struct {
	uint64_t pc;
	struct unwind_rule_entry rule;
} rows[MAX_ROWS];
static unsigned n_maps, n_words, n_rows;
static pid_t pid;

static const char *const reasons[] = {
#define X(id, name, text) name,
	TRUNCATE_REASONS(X)
#undef X
};

static void add_table(struct map *m, const void *data, size_t n, uint64_t offset, bool is_vdso)
{
	struct elf elf;
	uint64_t vaddr = 0;

	if (elf_init(&elf, data, n) < 0)
		return;
	if (is_vdso || elf_offset_to_vaddr(&elf, offset, &vaddr) == 0) {
		m->bias = m->start - vaddr;
		m->has_table =
			unwind_table_build(&elf, NULL, UNWIND_TABLE_MAX_ROWS, &m->table) == 0;
	}
	elf_deinit(&elf);
}

static int add_map(void *userdata, const struct maps_entry *e)
{
	struct map *m = &maps[n_maps];
	char path[4096];
	struct stat st;
	void *data;
	bool deleted;
	int fd;

	(void)userdata;
	if (n_maps == MAX_MAPS)
		return 1;
	n_maps++;
	m->start = e->start;
	m->end = e->end;
	(void)maps_path(e, path, sizeof(path), &deleted);
	if (strcmp(path, "[vdso]") == 0)
		add_table(m, (const void *)getauxval(AT_SYSINFO_EHDR), 4096, 0, true);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0) {
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED)
			add_table(m, data, (size_t)st.st_size, e->offset, false);
	}
	(void)close(fd);
	return 0;
}

static int read_word(uint64_t address, uint64_t *ret)
{
	struct iovec local = { ret, 8 }, remote = { (void *)address, 8 };

	for (unsigned i = 0; i < n_words; i++)
		if (words[i].address == address) {
			*ret = words[i].value;
			return 0;
		}
	if (n_words == MAX_WORDS || process_vm_readv(pid, &local, 1, &remote, 1, 0) != 8)
		return -1;
	words[n_words].address = address;
	words[n_words++].value = *ret;
	return 0;
}

/* In aligned words, as they are saved. */
static int read_any(uint64_t address, uint64_t *ret)
{
	uint64_t high;

	if (address % 8 == 0)
		return read_word(address, ret);
	if (read_word(address & ~7ULL, ret) || read_word((address & ~7ULL) + 8, &high))
		return -1;
	*ret = *ret >> address % 8 * 8 | high << (64 - address % 8 * 8);
	return 0;
}

static int read_memory(void *memory, uint64_t address, uint64_t *low, uint64_t *high)
{
	(void)memory;
	if (read_any(address, low))
		return -1;
	if (read_any(address + 8, high))
		*high = 0;
	return 0;
}

static uint64_t rule_at(uint64_t pc)
{
	const struct unwind_rule_entry *entry;
	struct map *m = maps;

	for (; m < maps + n_maps; m++)
		if (pc >= m->start && pc < m->end)
			break;
	if (m == maps + n_maps)
		return ARCH_RULE_POINTER(UNWIND_POINTER_NOWHERE);
	m->used = true;
	if (!m->has_table)
		return ARCH_RULE_POINTER(UNWIND_POINTER_CODE);
	entry = unwind_table_lookup(&m->table, pc - m->bias);
	if (n_rows < MAX_ROWS) {
		rows[n_rows].pc = pc;
		rows[n_rows++].rule = *entry;
	}
	if (entry->cfa == UNWIND_CFA_NONE)
		return ARCH_RULE_POINTER(UNWIND_CFA_NONE);
	return UNWIND_RULE(entry->cfa, entry->bp, entry->bp_offset, (uint32_t)entry->cfa_offset);
}

static int by_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_taken(void)
{
	for (unsigned i = 0; i < n_maps; i++)
		if (maps[i].used)
			printf("map %" PRIx64 " %" PRIx64 " %s\n", maps[i].start, maps[i].end,
				maps[i].has_table ? "table" : "none");
	qsort(rows, n_rows, sizeof(rows[0]), by_u64);
	for (unsigned i = 0; i < n_rows; i++)
		if (i == 0 || rows[i].pc != rows[i - 1].pc)
			printf("row %" PRIx64 " %u %u %d %d\n", rows[i].pc, rows[i].rule.cfa,
				rows[i].rule.bp, rows[i].rule.bp_offset, rows[i].rule.cfa_offset);
	qsort(words, n_words, sizeof(words[0]), by_u64);
	for (unsigned i = 0; i < n_words; i++) {
		if (i == 0 || words[i].address != words[i - 1].address + 8)
			printf("%smemory %" PRIx64, i ? "\n" : "", words[i].address);
		printf(" %" PRIx64, words[i].value);
	}
	printf("\n");
}

static void walk(const struct user_regs_struct *u)
{
	const uint64_t registers[16] = { u->rax, u->rdx, u->rcx, u->rbx, u->rsi, u->rdi, u->rbp,
		u->rsp, u->r8, u->r9, u->r10, u->r11, u->r12, u->r13, u->r14, u->r15 };
	struct unwind_regs regs = { u->rip, u->rsp, u->rbp };
	struct unwind_leaf leaf = { 0 };
	uint64_t frames[ABI_USER_FRAMES] = { u->rip };
	int is_leaf = 1, reason;
	unsigned n = 1;

	memcpy(leaf.registers, registers, sizeof(registers));
	do {
		reason = unwind_step(
			rule_at(regs.ip - !is_leaf), &regs, is_leaf, &leaf, read_memory, NULL);
		is_leaf = reason == UNWIND_SIGNAL;
		if (reason < 0)
			frames[n++] = regs.ip + (uint64_t)is_leaf;
	} while (reason < 0 && n < ABI_USER_FRAMES);
	for (unsigned i = 0; i < 16; i++)
		printf("reg %u %" PRIx64 "\n", i, registers[i]);
	printf("reg 16 %" PRIx64 "\n", (uint64_t)u->rip);
	print_taken();
	for (unsigned i = 0; i < n; i++)
		printf("%s%" PRIx64, i % 5 ? " " : i ? "\nexpect " : "expect ", frames[i]);
	printf("\nend %s\n", reasons[reason < 0 ? TRUNCATE_DEPTH : reason]);
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *text = NULL;
	struct user_regs_struct regs;
	char path[64];
	size_t n;

	if (argc != 2 || (pid = atoi(argv[1])) <= 0) {
		fprintf(stderr, "usage: save_stack PID\n");
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 ||
		waitpid(pid, NULL, __WALL) < 0 || ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0) {
		perror("ptrace");
		return 1;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	if (io_read_file(AT_FDCWD, path, 16U << 20, &text, &n) < 0 ||
		maps_parse(text, n, true, add_map, NULL, NULL) < 0) {
		fprintf(stderr, "cannot read %s\n", path);
		return 1;
	}
	walk(&regs);
	for (unsigned i = 0; i < n_maps; i++)
		unwind_table_deinit(&maps[i].table);
	return 0;
}
