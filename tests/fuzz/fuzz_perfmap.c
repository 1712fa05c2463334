/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: image base
/* A perf map of any bytes: what is found must cover the address and lie in the text. */
#include <stdlib.h>
#include "image/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint64_t addresses[] = { 0, 1, 0x10, 0x1000, 0x1008, 0x2000, 0x7f0000000000,
		UINT64_MAX - 1, UINT64_MAX };
	struct perfmap_entry entries[sizeof(addresses) / sizeof(addresses[0])];
	const char *text = (const char *)data;

	if (perfmap_lookup(text, n, addresses, sizeof(addresses) / sizeof(addresses[0]), entries) <
		0)
		return 0;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct perfmap_entry *e = &entries[i];

		if (e->name && (e->start > addresses[i] || e->name < text || e->name_n == 0 ||
				       e->name_n > n - (size_t)(e->name - text)))
			abort();
	}
	return 0;
}
