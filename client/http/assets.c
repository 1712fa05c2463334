/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the files of assets/ as they are in the program. ASSETS is their folder. */
#include <stddef.h>
#include <string.h>
#include "base/cleanup.h"
#include "http/assets.h"

#define ASSET(symbol, file)                                  \
	__asm__(".pushsection .rodata\n"                     \
		".global " #symbol "\n"                      \
		".type " #symbol ", @object\n" #symbol ":\n" \
		".incbin \"" ASSETS "/" file "\"\n"          \
		".byte 0\n"                                  \
		".size " #symbol ", . - " #symbol "\n"       \
		".popsection\n");                            \
	extern const char symbol[] __attribute__((visibility("hidden")))

ASSET(asset_live_js, "live.js");
ASSET(asset_live_css, "live.css");

const struct asset *asset_find(const char *name)
{
	static const struct asset assets[] = {
		{ "live.js", "text/javascript; charset=utf-8", asset_live_js },
		{ "live.css", "text/css; charset=utf-8", asset_live_css },
	};

	for (size_t i = 0; i < ARRAY_SIZE(assets); i++)
		if (!strcmp(assets[i].name, name))
			return &assets[i];
	return NULL;
}
