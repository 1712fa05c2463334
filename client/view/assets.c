/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the files of assets/ as they are in the program: put there when it is built, so that nothing
 * has to be found when it runs. ASSETS is their folder (client/CMakeLists.txt).
 */
#include "view/paint.h"

#define ASSET(symbol, file)                                  \
	__asm__(".pushsection .rodata\n"                     \
		".global " #symbol "\n"                      \
		".type " #symbol ", @object\n" #symbol ":\n" \
		".incbin \"" ASSETS "/" file "\"\n"          \
		".byte 0\n"                                  \
		".size " #symbol ", . - " #symbol "\n"       \
		".popsection\n")

ASSET(asset_flame_svg_css, "flame_svg.css");
ASSET(asset_flame_names_js, "flame_names.js");
ASSET(asset_flame_svg_js, "flame_svg.js");
ASSET(asset_flame_html, "flame.html");
ASSET(asset_flame_css, "flame.css");
ASSET(asset_flame_js, "flame.js");
