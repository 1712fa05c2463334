/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: image base
/*
 * Go's tables of any bytes: byte 0 tells whether the rest is an ELF file or a bare pclntab, which
 * is put into one.
 */
#include <stdlib.h>
#include <string.h>
#include "image/goinfo.h"
#include "image/pclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ask(const struct elf *e, const struct goinfo *go)
{
	struct pclntab_frame frames[LIMIT_INLINE_DEPTH];
	struct pclntab t;
	uint64_t start;

	if (pclntab_init(&t, e, go) < 0)
		return;
	for (uint64_t i = 0; i < 64; i++) {
		int n = pclntab_lookup(&t, t.text + i * 13, frames, &start);

		if (n > (int)LIMIT_INLINE_DEPTH)
			abort();
		for (int k = 0; k < n; k++) {
			if (strlen(frames[k].name) + strlen(frames[k].file) > n * e->n + e->n)
				abort();
		}
	}
	pclntab_deinit(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct goinfo go = { .version = "go1.19", .minor = 19 };
	struct elf e;

	if (n < 2)
		return 0;
	if (data[0] & 1) {
		if (elf_init(&e, data + 1, n - 1) == 0) {
			if (goinfo_read(&e, &go) < 0)
				go.minor = 17;
			ask(&e, &go);
			elf_deinit(&e);
		}
		return 0;
	}
	go.minor = 16 + (data[0] >> 1) % 12;
	struct elf_segment segment = {
		.type = PT_LOAD,
		.flags = PF_R | PF_W | PF_X,
		.vaddr = 0x400000,
		.filesz = n - 1,
		.memsz = n - 1,
	};
	e = (struct elf){ .data = data + 1,
		.n = n - 1,
		.type = data[0] & 0x80 ? ET_DYN : ET_EXEC,
		.machine = EM_X86_64,
		.segments = &segment,
		.n_segments = 1 };
	ask(&e, &go);
	return 0;
}
