/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules: what a code address belongs to. A file module is one file as the kernel identifies it
 * (device, inode, inode generation), whoever maps it and under whatever name; the pseudo-modules
 * are the kernel, the vdso, and per process its anonymous executable memory (JIT). A module holds
 * the descriptor needed to symbolize later, within LIMIT_MODULE_FDS.
 *
 * A frame is (module, offset): offset in the file for file modules, in the image for the vdso, the
 * raw address for the kernel and for JIT.
 */
#ifndef PROFD_PROC_MODULE_H
#define PROFD_PROC_MODULE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"

enum module_kind { MODULE_FILE, MODULE_KERNEL, MODULE_VDSO, MODULE_JIT, MODULE_UNKNOWN };

enum module_file_state {
	MODULE_FILE_UNASKED,
	MODULE_FILE_ASKED,  /* the target helper was asked to open it */
	MODULE_FILE_OPEN,   /* fd is valid */
	MODULE_FILE_FAILED, /* file_error says why */
};

struct module {
	uint32_t id;
	enum module_kind kind;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t pid;	       /* MODULE_JIT, and the process it was first seen in */
	uint64_t pid_start_ns; /* MODULE_JIT: which of that number */
	char *path;	       /* owned; as first seen; "[vdso]", "[kernel.kallsyms]", "[jit]" */
	enum module_file_state file_state;
	int file_error;
	int fd; /* owned; -1 */
	uint64_t size, mtime_ns, ctime_ns;
	uint32_t owner_uid;
	bool same_mount_as_root;
	uint32_t n_processes;	/* living processes that map it */
	uint64_t serial;	/* another one when the id was used again */
	uint64_t idle_ns;	/* since when a sweep has found no use of it; 0: in use */
	uint32_t seen_mappings; /* for a first mapping to open it through: */
	uint64_t map_start, map_end;
};

struct module_table;

int module_table_new(struct module_table **ret);
struct module_table *module_table_free(struct module_table *t);
/* Finds or adds. NULL: table full or no memory. Pointers stay valid until a
 * sweep removes the module. */
struct module *module_table_file(struct module_table *t, uint32_t major, uint32_t minor,
	uint64_t inode, uint64_t generation, const char *path);
struct module *module_table_jit(struct module_table *t, uint32_t pid, uint64_t pid_start_ns);
/* The one of a kind that exists once: MODULE_KERNEL, MODULE_VDSO, MODULE_UNKNOWN. */
struct module *module_table_pseudo(struct module_table *t, enum module_kind kind);
struct module *module_table_get(const struct module_table *t, uint32_t id); /* NULL: unknown id */
uint32_t module_table_n(const struct module_table *t);
/* Removes file and JIT modules that no process maps and in_use() denies, now and at a sweep at
 * least MODULE_IDLE_NS ago, once forget() has agreed; their ids are used again, with another
 * serial. Returns how many. */
#define MODULE_IDLE_NS (30ULL * 1000000000ULL)
uint32_t module_table_sweep(struct module_table *t, uint64_t now_ns,
	bool (*in_use)(void *userdata, uint32_t id), bool (*forget)(void *userdata, uint32_t id),
	void *userdata);
size_t module_table_bytes(const struct module_table *t);
/* Hands the opened file over (fd consumed) or notes the error. */
void module_set_file(struct module *m, int fd, uint64_t size, uint64_t mtime_ns, uint64_t ctime_ns,
	uint32_t owner_uid, bool same_mount_as_root);
/* Closes the file; it is opened again when it is asked for. */
void module_close_file(struct module *m);
void module_set_file_error(struct module *m, int error);

#endif
