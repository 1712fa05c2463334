/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns flame graphs as SVG. It can be read without scripts: a box is an svg element whose place and
 * width are percentages, so that text keeps its size and is cut at the box at any width, and whose
 * title is the whole name with its values. assets/flame_svg.js adds zoom, search and the keyboard.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/flame.h"
#include "view/layout.h"
#include "view/paint.h"
#include "view/unit.h"

#define ROW	      18U    /* pixels a frame */
#define HEAD	      84U    /* pixels above the boxes */
#define FOOT	      10U    /* pixels below them */
#define DEFAULT_SHARE 0.0005 /* half a pixel of 1000 */
#define MAX_BOXES     10000U
#define TEXT_SHARE    0.004 /* narrower boxes have no room for a letter */

struct svg {
	const struct flame_tree *tree;
	const struct flame_options *options;
	const struct layout *layout;
	FILE *out;
};

static double percent(const struct svg *s, int64_t width)
{
	return s->layout->total ? (double)width / (double)s->layout->total * 100 : 0;
}

static void put_value(const struct svg *s, int64_t value, int64_t total)
{
	char text[UNIT_TEXT];

	paint_escape(s->out, unit_label(value, s->tree->unit, "auto", text));
	(void)fprintf(s->out, " (%s)", paint_percent(value, total, text));
}

/* Both sides and how far they are apart. */
static void put_change(const struct svg *s, const struct layout_box *b)
{
	int64_t base = b->value[FLAME_BASE], new = b->value[FLAME_NEW];
	int64_t delta = unit_add(new, base == INT64_MIN ? INT64_MAX : -base);
	char text[UNIT_TEXT];

	put_value(s, base, flame_tree_whole(s->tree, FLAME_BASE));
	(void)fputs(" → ", s->out);
	put_value(s, new, flame_tree_whole(s->tree, FLAME_NEW));
	(void)fprintf(s->out, ", %s", delta > 0 ? "+" : "");
	paint_escape(s->out, unit_label(delta, s->tree->unit, "auto", text));
}

static void put_title(const struct svg *s, const struct layout_box *b)
{
	const struct flame_frame *f = flame_frame(s->tree, b->node);
	const struct flame_node *n = flame_node(s->tree, b->node);
	const char *module = flame_module(s->tree, b->node);

	if (b->merged) {
		(void)fprintf(s->out, "%" PRIu32 " %s, too narrow to show\n", b->merged,
			b->merged == 1 ? "frame" : "frames merged");
	} else {
		paint_escape(s->out, flame_name(s->tree, b->node));
		(void)fputc('\n', s->out);
	}
	if (s->tree->compared)
		put_change(s, b);
	else
		put_value(s, b->value[FLAME_NEW], flame_tree_whole(s->tree, FLAME_NEW));
	if (b->merged || f->kind == FLAME_ROOT)
		return;
	if (!s->tree->compared && !s->tree->inverted && n->self[FLAME_NEW]) {
		(void)fputs(", self ", s->out);
		put_value(s, n->self[FLAME_NEW], flame_tree_whole(s->tree, FLAME_NEW));
	}
	(void)fprintf(s->out, "\n%s", paint_kind_names[f->kind]);
	if (*module) {
		(void)fputs(", ", s->out);
		paint_escape(s->out, module);
	}
}

static void put_box(const struct svg *s, const struct layout_box *b)
{
	unsigned row = s->options->icicle ? b->depth : s->layout->rows - 1 - b->depth;
	double width = percent(s, b->width);

	(void)fprintf(s->out,
		"<svg class=\"%s\" x=\"%.5g%%\" y=\"%u\" width=\"%.5g%%\" height=\"%u\"><title>",
		b->merged ? "b m" : "b", percent(s, b->x), HEAD + row * ROW, width, ROW - 1);
	put_title(s, b);
	(void)fprintf(s->out, "</title><rect class=\"c%u\" width=\"100%%\" height=\"100%%\"/>",
		paint_box(s->tree, b, s->options->color_by));
	if (width >= TEXT_SHARE * 100) {
		(void)fputs("<text x=\"3\" y=\"13\">", s->out);
		if (b->merged)
			(void)fprintf(s->out, "%" PRIu32 " merged", b->merged);
		else
			paint_escape(s->out, flame_name(s->tree, b->node));
		(void)fputs("</text>", s->out);
	}
	(void)fputs("</svg>\n", s->out);
}

static void put_colors(const struct svg *s, bool dark)
{
	bool used[PAINT_COLORS] = { false };

	for (unsigned i = 0; i < FLAME_KINDS; i++)
		used[PAINT_KIND + i * PAINT_SHADES + 1] = true;
	used[PAINT_CHANGE] = used[PAINT_MERGED - 1] = used[PAINT_MERGED] = true;
	ARRAY_EACH(&s->layout->boxes, struct layout_box, b)
		used[paint_box(s->tree, b, s->options->color_by)] = true;
	for (unsigned i = 0; i < PAINT_COLORS; i++)
		if (used[i])
			(void)fprintf(s->out, ".c%u{fill:#%06x}", i, paint_color(i, dark));
}

static void put_style(const struct svg *s)
{
	(void)fputs("<style>", s->out);
	(void)fputs(asset_flame_svg_css, s->out);
	put_colors(s, false);
	(void)fputs("@media (prefers-color-scheme:dark){", s->out);
	put_colors(s, true);
	(void)fputs("}</style>\n", s->out);
}

static void put_legend_entry(const struct svg *s, unsigned color, const char *text, unsigned *x)
{
	(void)fprintf(s->out,
		"<rect class=\"c%u\" x=\"%u\" y=\"53\" width=\"11\" height=\"11\" rx=\"2\"/>"
		"<text x=\"%u\" y=\"63\">%s</text>",
		color, *x, *x + 15, text);
	*x += 29 + 7 * (unsigned)strlen(text);
}

static void put_legend(const struct svg *s)
{
	unsigned x = 10, kinds = paint_kinds(s->tree, s->layout);

	(void)fputs("<g class=\"legend\">", s->out);
	if (s->tree->compared) {
		put_legend_entry(s, PAINT_CHANGE, "less or gone", &x);
		put_legend_entry(s, PAINT_MERGED - 1, "more or new", &x);
	} else if (s->options->color_by == FLAME_COLOR_KIND) {
		for (unsigned i = FLAME_ROOT + 1; i < FLAME_KINDS; i++)
			if (kinds & 1U << i)
				put_legend_entry(s, PAINT_KIND + i * PAINT_SHADES + 1,
					paint_kind_names[i], &x);
	}
	if (s->layout->merged_nodes)
		put_legend_entry(s, PAINT_MERGED, "merged", &x);
	(void)fputs("</g>\n", s->out);
}

static void put_head(const struct svg *s)
{
	unsigned height = HEAD + s->layout->rows * ROW + FOOT;
	char text[UNIT_TEXT];

	(void)fprintf(s->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%u\" "
		"font-family=\"system-ui,'DejaVu Sans',sans-serif\" font-size=\"12\" role=\"tree\" "
		"aria-label=\"",
		height);
	paint_escape(s->out, s->options->title ? s->options->title : "Flame graph");
	(void)fprintf(s->out, "\" data-grows=\"%s\">\n", s->options->icicle ? "down" : "up");
	put_style(s);
	(void)fputs("<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n<g id=\"boxes\">\n",
		s->out);
	ARRAY_EACH(&s->layout->boxes, struct layout_box, b)
		put_box(s, b);
	(void)fprintf(s->out,
		"</g>\n<g id=\"head\"><rect class=\"page\" width=\"100%%\" height=\"%u\"/>"
		"<text class=\"title\" x=\"10\" y=\"22\">",
		HEAD - 4);
	paint_escape(s->out, s->options->title ? s->options->title : "Flame graph");
	(void)fputs("</text><text class=\"sub\" x=\"10\" y=\"41\">", s->out);
	paint_subtitle(s->tree, s->out);
	if (s->layout->merged_nodes)
		(void)fprintf(s->out,
			"; %" PRIu64 " frames too narrow to show (%s of the width) are merged",
			s->layout->merged_nodes,
			paint_percent(s->layout->merged_width, s->layout->total, text));
	(void)fputs("</text>\n", s->out);
	put_legend(s);
	(void)fputs("<text id=\"detail\" x=\"10\" y=\"78\"></text></g>\n", s->out);
}

int flame_write_svg(
	const struct flame_tree *t, const struct flame_options *o, FILE *out, struct error *error)
{
	struct layout layout;
	int r = layout_init(&layout, t, o->min_share, DEFAULT_SHARE, MAX_BOXES);

	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot draw: %s", strerror(-r));
	struct svg s = { .tree = t, .options = o, .layout = &layout, .out = out };
	put_head(&s);
	(void)fputs("<script><![CDATA[\n", out);
	(void)fputs(asset_flame_names_js, out);
	(void)fputs(asset_flame_svg_js, out);
	(void)fputs("]]></script>\n</svg>\n", out);
	layout_deinit(&layout);
	return fflush(out) || ferror(out) ? error_set(error, -EIO, EXIT_CODE_FAILED,
						    "cannot write: %s", strerror(errno))
					  : 0;
}
