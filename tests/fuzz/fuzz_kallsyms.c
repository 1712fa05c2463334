/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: image base
/* /proc/kallsyms of any bytes: what is found must begin at or before the address and lie in the
 * text. */
#include <stdlib.h>
#include "image/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint64_t addresses[] = { 0, 1, 0x1000, 0x1fff, 0xffffffff81000000,
		0xffffffff81000010, 0xffffffffc0000000, UINT64_MAX };
	struct kallsyms k;

	if (kallsyms_init(&k, (const char *)data, n) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct kallsyms_symbol *s = kallsyms_lookup(&k, addresses[i]);

		if (s && (s->address > addresses[i] || s->name_n == 0 ||
				 (size_t)s->offset + s->name_n > n))
			abort();
	}
	kallsyms_deinit(&k);
	return 0;
}
