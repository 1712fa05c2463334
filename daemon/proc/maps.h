/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsers of /proc/PID files: text in, structs out; no I/O. The text is the kernel's but the names
 * in it are the target's: any byte but NUL, octal escapes for newline, " (deleted)" that may be
 * real. A line that cannot be read is skipped and counted.
 */
#ifndef PROFD_PROC_MAPS_H
#define PROFD_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct maps_entry {
	uint64_t start, end, offset; /* bytes; offset in the file */
	uint32_t major, minor;
	uint64_t inode;
	bool read, write, exec, shared;
	const char *path; /* borrowed, not NUL-terminated; unescaped by maps_path() */
	size_t path_n;
};

/* Calls each() for every line (exec_only: only executable ones) until it returns non-zero; returns
 * that, or 0. *ret_skipped counts lines that were not understood (may be NULL). */
int maps_parse(const char *text, size_t n, bool exec_only,
	int (*each)(void *userdata, const struct maps_entry *entry), void *userdata,
	unsigned *ret_skipped);

/* The path of an entry with the kernel's octal escapes undone; *ret_deleted when it ends in
 * " (deleted)" (cut off then). At most n bytes with NUL; returns out. */
const char *maps_path(const struct maps_entry *entry, char *out, size_t n, bool *ret_deleted);

struct stat_fields { /* /proc/PID/stat */
	uint32_t pid, ppid;
	char comm[16];
	char state;
	uint32_t n_threads;
	uint64_t start_ticks; /* field 22, CLK_TCK since boot */
};
int stat_parse(const char *text, size_t n, struct stat_fields *ret);

struct status_fields {		 /* /proc/PID/status */
	uint32_t uid[4], gid[4]; /* real, effective, saved, fs */
	uint32_t ns_pid;	 /* last field of NSpid */
	uint64_t cap_permitted;
};
int status_parse(const char *text, size_t n, struct status_fields *ret);

/* The cgroup v2 path ("0::/...") of /proc/PID/cgroup: borrowed, not NUL-terminated. 0 or -ENOENT.
 */
int cgroup_parse(const char *text, size_t n, const char **ret, size_t *ret_n);

#endif
