/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the table unwinder: real tables of every file that a process maps, published for it,
 * and how the stacks of its samples compare with a chain that is known.
 */
#ifndef PROFD_TESTS_UNIT_KERNEL_TABLES_H
#define PROFD_TESTS_UNIT_KERNEL_TABLES_H

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "fixture.h"
#include "image/elf.h"
#include "image/unwind_table.h"
#include "kernel/tables.h"
#include "proc/maps.h"

#define MAX_FILES    64
#define MAX_MAPPINGS 256

struct test_file {
	char path[512];
	uint32_t table; /* KERNEL_TABLE_NONE: it has none */
	uint64_t base;	/* address of page 0 in the file */
	bool is_vdso;
};
struct test_tables {
	struct kernel *k;
	struct test_file files[MAX_FILES];
	unsigned n_files;
	struct kernel_mapping mappings[MAX_MAPPINGS];
	unsigned n_mappings;
};

static inline uint32_t table_load(struct kernel *k, const struct unwind_table *t)
{
	struct kernel_table_view view = { t->rows, t->index, t->rules, t->n_rows, t->n_pages,
		t->n_rules };
	uint32_t table;
	unsigned turns = 0;
	uint32_t page = 0;

	assert_int_equal(kernel_table_check(&view, &page, UINT32_MAX), 1);
	assert_int_equal(kernel_table_begin(k, &view, &table), 0);
	while (!kernel_table_copy(k, table, 50000))
		assert_true(++turns < 100000);
	return table;
}

/* The table of an image in memory. */
static inline void file_load(struct kernel *k, struct test_file *f, const void *data, size_t n)
{
	struct unwind_table t;
	struct elf elf;

	f->table = KERNEL_TABLE_NONE;
	if (elf_init(&elf, data, n) < 0)
		return;
	if (unwind_table_build(&elf, NULL, UNWIND_TABLE_MAX_ROWS, &t) == 0) {
		f->table = table_load(k, &t);
		f->base = t.base;
		unwind_table_deinit(&t);
	}
	elf_deinit(&elf);
}

static inline const struct test_file *file_of(struct test_tables *t, const char *path)
{
	struct test_file *f = t->files;
	struct stat st;
	void *data;
	int fd;

	for (; f < t->files + t->n_files; f++)
		if (strcmp(f->path, path) == 0)
			return f;
	assert_true(t->n_files < MAX_FILES);
	t->n_files++;
	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	f->table = KERNEL_TABLE_NONE;
	f->is_vdso = strcmp(path, "[vdso]") == 0;
	if (f->is_vdso) {
		/* Its image is the same in every process. */
		file_load(t->k, f, (const void *)getauxval(AT_SYSINFO_EHDR), 4096);
		return f;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return f;
	assert_int_equal(fstat(fd, &st), 0);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	assert_ptr_not_equal(data, MAP_FAILED);
	file_load(t->k, f, data, (size_t)st.st_size);
	(void)munmap(data, (size_t)st.st_size);
	return f;
}

static inline uint64_t bias_of(const struct test_file *f, const struct maps_entry *m)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	struct elf elf;
	uint64_t vaddr;
	void *data;

	if (f->is_vdso)
		return m->start;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	assert_int_equal(elf_init(&elf, data, (size_t)st.st_size), 0);
	assert_int_equal(elf_offset_to_vaddr(&elf, m->offset, &vaddr), 0);
	elf_deinit(&elf);
	(void)munmap(data, (size_t)st.st_size);
	return m->start - vaddr;
}

static inline int mapping_add(void *userdata, const struct maps_entry *m)
{
	struct test_tables *t = userdata;
	struct kernel_mapping *to = &t->mappings[t->n_mappings];
	char path[512];
	bool deleted;

	if (m->start >= 1ULL << 47)
		return 0; /* [vsyscall] */
	assert_true(t->n_mappings < MAX_MAPPINGS);
	*to = (struct kernel_mapping){ m->start, m->end, 0, KERNEL_TABLE_NONE, 0 };
	if (m->path_n) {
		const struct test_file *f = file_of(t, maps_path(m, path, sizeof(path), &deleted));

		to->table = f->table;
		if (f->table != KERNEL_TABLE_NONE)
			to->base = bias_of(f, m) + f->base;
	}
	t->n_mappings++;
	return 0;
}

/* Tells the programs about a process as it is now. */
static inline void tables_publish(struct test_tables *t, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 16U << 20, &text, &n), 0);
	t->n_mappings = 0;
	assert_int_equal(maps_parse(text, n, true, mapping_add, t, NULL), 0);
	assert_true(t->n_mappings > 1);
	assert_int_equal(
		kernel_process_publish(t->k, (uint32_t)pid, 0, t->mappings, t->n_mappings), 0);
}

#endif
