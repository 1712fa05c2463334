/* SPDX-License-Identifier: Apache-2.0 */
/* A process table of each test's own, fed and asked in a line. */
#ifndef PROFD_TESTS_PROCESS_FIXTURE_H
#define PROFD_TESTS_PROCESS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "proc/module.h"
#include "proc/process.h"

#define MS  1000000ULL
#define SEC (1000 * MS)

static struct module_table *modules;
static struct process_table *table;

static int setup(void **state)
{
	(void)state;
	return module_table_new(&modules) < 0 || process_table_new(&table, modules) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	table = process_table_free(table);
	modules = module_table_free(modules);
	return 0;
}

static void map(
	uint32_t pid, uint64_t start, uint64_t end, uint64_t offset, uint64_t inode, uint64_t time)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/lib/%" PRIu64, inode);
	assert_int_equal(
		process_table_mmap(table, pid, start, end, offset, 8, 1, inode, 0, path, time), 0);
}

static void fork_at(uint32_t pid, uint32_t ppid, uint64_t time)
{
	assert_int_equal(process_table_fork(table, pid, ppid, time), 0);
}

static void exec_at(uint32_t pid, uint64_t time)
{
	assert_int_equal(process_table_comm(table, pid, pid, "new", true, time), 0);
}

static void exit_at(uint32_t pid, uint64_t time)
{
	assert_int_equal(process_table_exit(table, pid, time), 0);
}

/* Inode of the file at the address, 0: nothing; with the offset checked against what is wanted. */
static uint64_t inode_at(uint32_t pid, uint64_t address, uint64_t time, uint64_t *ret_offset)
{
	struct process *p = process_table_find(table, pid, time, false);
	uint64_t offset;
	uint32_t module;

	if (!p || process_locate(p, address, time, &module, &offset) < 0)
		return 0;
	if (ret_offset)
		*ret_offset = offset;
	return module_table_get(modules, module)->inode;
}

static uint32_t users_of(uint64_t inode)
{
	return module_table_file(modules, 8, 1, inode, 0, "")->n_processes;
}

#endif
