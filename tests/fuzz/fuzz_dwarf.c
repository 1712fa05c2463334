/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: image base
/*
 * Our walk over the DWARF of any file. libdw below it is not ours and not safe by itself (the
 * worker is sandboxed for that); inputs that make it large are cut short by the deadline.
 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/limits.h"
#include "image/demangle.h"
#include "image/dwarf.h"
#include "image/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct debug_address addresses[16];
	uint64_t vaddrs[16];
	struct debug_info *info = NULL;
	struct elf e;
	void *copy;

	/* What is no ELF file for us is never shown to libdw. */
	if (elf_init(&e, data, n) < 0)
		return 0;
	elf_deinit(&e);
	copy = malloc(n);
	if (!copy)
		return 0;
	memcpy(copy, data, n);
	for (uint64_t i = 0; i < 16; i++)
		vaddrs[i] = 0x200 + i * 16;
	if (debug_info_new(&info, copy, n, NULL, 0) == 0 &&
		debug_info_lookup(info, vaddrs, 16, clock_monotonic_ns() + NS_PER_SEC, addresses) >=
			0) {
		for (int i = 0; i < 16; i++) {
			const struct debug_frame *f = debug_info_frames(info, &addresses[i]);

			if (addresses[i].n > LIMIT_INLINE_DEPTH)
				abort();
			for (uint32_t k = 0; k < addresses[i].n; k++) {
				if (f[k].linkage_name)
					free(demangle(f[k].linkage_name));
			}
		}
	}
	debug_info_free(info);
	free(copy);
	return 0;
}
