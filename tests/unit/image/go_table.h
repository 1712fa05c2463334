/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment with a pclntab of two functions and the moduledata that points to it, as Go's linker
 * lays them out in a version of which there is no toolchain at hand: main.outer [0, 0x100) into
 * which main.inlined is inlined at [0x20, 0x30), and main.last [0x100, 0x180).
 */
#ifndef PROFD_TEST_IMAGE_GO_TABLE_H
#define PROFD_TEST_IMAGE_GO_TABLE_H

#include <stdint.h>
#include <string.h>

#define GO_BASE	  0x400000ULL
#define GO_TEXT	  (GO_BASE + 0x1000)
#define GO_BYTES  0x1200U
#define GO_NAMES  0x080U
#define GO_UNITS  0x0c0U
#define GO_FILES  0x0e0U
#define GO_PCS	  0x100U
#define GO_FUNCS  0x180U
#define GO_TREE	  0x400U
#define GO_MODULE 0x800U

static void go_put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void go_put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Pairs (value, end of it), ended by end 0; the offset of the table from GO_PCS. */
static uint32_t go_pcs(uint8_t *t, uint32_t *at, const int32_t *pairs)
{
	uint32_t start = *at, pc = 0;
	int32_t value = -1;

	for (; pairs[1]; pairs += 2) {
		int32_t delta = pairs[0] - value;
		uint32_t zigzag = ((uint32_t)delta << 1) ^ (uint32_t)(delta >> 31);
		uint32_t step = (uint32_t)pairs[1] - pc;

		t[GO_PCS + (*at)++] = (uint8_t)zigzag;
		if (step >= 0x80)
			t[GO_PCS + (*at)++] = (uint8_t)(step | 0x80);
		t[GO_PCS + (*at)++] = (uint8_t)(step >= 0x80 ? step >> 7 : step);
		value = pairs[0];
		pc = (uint32_t)pairs[1];
	}
	t[GO_PCS + (*at)++] = 0;
	return start;
}

struct go_pcs_of {
	uint32_t file, line, index;
};

static void go_function(uint8_t *t, uint32_t at, int minor, uint64_t entry, uint32_t name,
	struct go_pcs_of pcs, uint32_t start_line, int has_tree)
{
	uint32_t extra = minor < 18 ? 4 : 0; /* entry has 8 bytes */
	uint32_t size = minor < 18 || minor >= 20 ? 44 : 40, funcdata;
	uint8_t *p = t + at;

	if (minor < 18)
		go_put64(p, entry);
	else
		go_put32(p, (uint32_t)(entry - GO_TEXT));
	p += extra;
	go_put32(p + 4, name);
	go_put32(p + 20, pcs.file);
	go_put32(p + 24, pcs.line);
	go_put32(p + 28, 3); /* npcdata */
	go_put32(p + 32, 1); /* unit: skips the first entry of the unit table */
	if (minor >= 20)
		go_put32(p + 36, start_line);
	t[at + size - 1] = has_tree ? 4 : 0;
	go_put32(t + at + size + 8, pcs.index);
	funcdata = at + size + 12;
	if (minor < 18) {
		funcdata = (funcdata + 7) / 8 * 8;
		go_put64(t + funcdata + 24, has_tree ? GO_BASE + GO_TREE : 0);
	} else {
		for (uint32_t i = 0; i < 3; i++)
			go_put32(t + funcdata + 4 * i, UINT32_MAX);
		/* gofunc is 0x10 before the tree. */
		go_put32(t + funcdata + 12, has_tree ? 0x10 : UINT32_MAX);
	}
}

static void go_module(uint8_t *m, int minor)
{
	go_put64(m, GO_BASE);
	go_put64(m + 128, GO_BASE + GO_FUNCS);
	go_put64(m + 136, 3);
	go_put64(m + 144, 3);
	go_put64(m + 160, GO_TEXT);
	go_put64(m + 168, GO_TEXT + 0x180);
	go_put64(m + 176, GO_TEXT);
	if (minor >= 18)
		go_put64(m + (minor < 20 ? 304 : minor < 27 ? 320 : 344), GO_BASE + GO_TREE - 0x10);
}

/* Fills t (GO_BYTES, to be mapped at GO_BASE) for Go 1.minor, 16 to 27. */
static void go_table(uint8_t *t, int minor)
{
	static const int32_t files[] = { 0, 0x100, 0, 0 },
			     lines[] = { 10, 0x20, 5, 0x30, 12, 0x100, 0, 0 },
			     indexes[] = { -1, 0x20, 0, 0x30, -1, 0x100, 0, 0 },
			     last_files[] = { 1, 0x80, 0, 0 }, last_lines[] = { 37, 0x80, 0, 0 };
	uint32_t magic = minor < 18 ? 0xfffffffa : minor < 20 ? 0xfffffff0 : 0xfffffff1;
	uint32_t at = 1, first = minor < 18 ? 24 : 32, entry = minor < 18 ? 0x40 : 0x30, next;
	struct go_pcs_of outer, last = { 0 };

	memset(t, 0, GO_BYTES);
	go_put32(t, magic);
	t[6] = 1;
	t[7] = 8;
	go_put64(t + 8, 2);
	go_put64(t + 16, 2);
	if (minor >= 18 && minor < 26)
		go_put64(t + 24, GO_TEXT);
	go_put64(t + first, GO_NAMES);
	go_put64(t + first + 8, GO_UNITS);
	go_put64(t + first + 16, GO_FILES);
	go_put64(t + first + 24, GO_PCS);
	go_put64(t + first + 32, GO_FUNCS);
	/* Names at 1, 12 and 25; files at 0 and 5. */
	memcpy(t + GO_NAMES + 1, "main.outer\0main.inlined\0main.last", 34);
	memcpy(t + GO_FILES, "a.go\0b.go", 10);
	go_put32(t + GO_UNITS + 4, 0);
	go_put32(t + GO_UNITS + 8, 5);
	outer.file = go_pcs(t, &at, files);
	outer.line = go_pcs(t, &at, lines);
	outer.index = go_pcs(t, &at, indexes);
	last.file = go_pcs(t, &at, last_files);
	last.line = go_pcs(t, &at, last_lines);
	next = entry + 0x80;
	if (minor < 18) {
		go_put64(t + GO_FUNCS, GO_TEXT);
		go_put64(t + GO_FUNCS + 8, entry);
		go_put64(t + GO_FUNCS + 16, GO_TEXT + 0x100);
		go_put64(t + GO_FUNCS + 24, next);
		go_put64(t + GO_FUNCS + 32, GO_TEXT + 0x180);
	} else {
		go_put32(t + GO_FUNCS, 0);
		go_put32(t + GO_FUNCS + 4, entry);
		go_put32(t + GO_FUNCS + 8, 0x100);
		go_put32(t + GO_FUNCS + 12, next);
		go_put32(t + GO_FUNCS + 16, 0x180);
	}
	go_function(t, GO_FUNCS + entry, minor, GO_TEXT, 1, outer, 9, 1);
	go_function(t, GO_FUNCS + next, minor, GO_TEXT + 0x100, 25, last, 76, 0);
	/* One entry: main.inlined, called where the line of 0x10 is. */
	if (minor < 20) {
		go_put32(t + GO_TREE, 0xffff);
		go_put32(t + GO_TREE + 12, 12);
		go_put32(t + GO_TREE + 16, 0x10);
	} else {
		go_put32(t + GO_TREE + 4, 12);
		go_put32(t + GO_TREE + 8, 0x10);
		go_put32(t + GO_TREE + 12, 4);
	}
	go_module(t + GO_MODULE, minor);
}

#endif
