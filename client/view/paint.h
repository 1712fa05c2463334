/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flame graphs look like in either format: the palette for light and for dark screens, which
 * of it a box has, the words in the legend, and text made safe for markup.
 */
#ifndef PROFCTL_VIEW_PAINT_H
#define PROFCTL_VIEW_PAINT_H

#include <stdio.h>
#include "view/flame.h"
#include "view/layout.h"

#define PAINT_SHADES  4U  /* of each kind, by name, so that neighbours can be told apart */
#define PAINT_MODULES 36U /* hues */
#define PAINT_STEPS   10  /* of change, to either side */
#define PAINT_CHANGES (2U * PAINT_STEPS + 1) /* from all gone (blue) to all new (red) */

/* Places in the palette. */
enum paint {
	PAINT_KIND = 0,
	PAINT_MODULE = PAINT_KIND + FLAME_KINDS * PAINT_SHADES,
	PAINT_CHANGE = PAINT_MODULE + PAINT_MODULES,
	PAINT_MERGED = PAINT_CHANGE + PAINT_CHANGES,
	PAINT_COLORS,
};

/* 0xrrggbb; black text is readable on light ones, white text on dark ones. */
uint32_t paint_color(unsigned color, bool dark);
/* The shade of a name, below PAINT_SHADES; the same in every file. */
unsigned paint_shade(const char *name);
/* The colour of a module; kernel ones have the kernel's. */
unsigned paint_module(const char *module);
unsigned paint_change(int64_t base, int64_t new);
unsigned paint_box(
	const struct flame_tree *t, const struct layout_box *b, enum flame_color color_by);

extern const char *const paint_kind_names[FLAME_KINDS];
/* Bits of the kinds that a layout shows: 1 << kind. */
unsigned paint_kinds(const struct flame_tree *t, const struct layout *l);

/* "cpu, 9.80s in 10s" or "cpu, 9.80s → 12.1s (+23.5%)"; what the whole graph is of. */
void paint_subtitle(const struct flame_tree *t, FILE *out);

/* For the text and the attributes of HTML and XML; text is made safe for a terminal before. */
void paint_escape(FILE *out, const char *text);
/* A JSON string that can stand inside of a script element: no <, no line separators. */
void paint_json(FILE *out, const char *text);
/* value / total in percent, without padding. */
const char *paint_percent(int64_t value, int64_t total, char *buf);

/* Where the style and the scripts are (assets.c); each ends with a NUL. */
extern const char asset_flame_svg_css[], asset_flame_svg_js[], asset_flame_names_js[];
extern const char asset_flame_html[], asset_flame_css[], asset_flame_js[];

#endif
