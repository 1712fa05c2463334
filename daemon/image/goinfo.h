/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Go program's file says without any symbol: the toolchain's version, and the moduledata
 * record that its function tables hang on. Layouts: Go source, debug/buildinfo and
 * runtime/symtab.go.
 */
#ifndef PROFD_IMAGE_GOINFO_H
#define PROFD_IMAGE_GOINFO_H

#include "image/elf.h"

struct goinfo {
	char version[32]; /* "go1.19.8"; "" when it is no Go program */
	int minor;	  /* 19; -1: not a released version's form */
};

struct goinfo_module {
	uint64_t text;	 /* what function offsets count from */
	uint64_t gofunc; /* what funcdata offsets count from; 0: not known */
};

/* 0, or -ENODATA: the file has no Go build information. */
int goinfo_read(const struct elf *e, struct goinfo *ret);

/* Finds the moduledata of the pclntab at that address with that many functions. 0 or -ENOENT. */
int goinfo_find_module(const struct elf *e, const struct goinfo *go, uint64_t pclntab_vaddr,
	uint64_t n_functions, struct goinfo_module *ret);

/* Copies n bytes at vaddr as they are in memory before the load bias is added: relative relocations
 * (x86-64, AArch64) are applied. 0 or -ENODATA. */
int goinfo_read_relocated(const struct elf *e, uint64_t vaddr, void *p, size_t n);

#endif
