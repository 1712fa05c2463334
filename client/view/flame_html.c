/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns flame graphs as HTML: a page (assets/flame.html) with the boxes as JSON, which
 * assets/flame.js draws. A box is a row of numbers:
 *
 *   depth, name, module, kind, width, self, merged, and where a profile was compared or has values
 *   of both signs: value, base
 *
 * name and module are positions in their lists, merged is the number of frames that a merged box
 * holds or 0. Boxes are in the order of the layout, which says where they are.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/flame.h"
#include "view/layout.h"
#include "view/paint.h"

#define DEFAULT_SHARE 0.00001
#define MAX_BOXES     200000U

struct html {
	const struct flame_tree *tree;
	const struct flame_options *options;
	const struct layout *layout;
	FILE *out;
	/* By string of the tree: its place in a list + 1, 0: not in it. */
	struct array names, modules; /* uint32_t */
	bool is_signed;		     /* a value is not the width of its box */
};

static void html_deinit(struct html *h)
{
	array_deinit(&h->modules);
	array_deinit(&h->names);
}

static void put_key(const struct html *h, const char *key, const char *text)
{
	(void)fprintf(h->out, "\"%s\":", key);
	paint_json(h->out, text);
	(void)fputs(",\n", h->out);
}

/* Strings that boxes use, each once. */
static void put_list(const struct html *h, const char *key, struct array *places,
	uint32_t (*string_of)(const struct flame_frame *))
{
	uint32_t n = 0;

	(void)fprintf(h->out, "\"%s\":[", key);
	ARRAY_EACH(&h->layout->boxes, struct layout_box, b) {
		uint32_t string = string_of(flame_frame(h->tree, b->node));
		uint32_t *place = ARRAY_AT(places, uint32_t, string);
		if (*place)
			continue;
		if (n)
			(void)fputs(",\n", h->out);
		paint_json(h->out, strings_get(&h->tree->strings, string, NULL));
		*place = ++n;
	}
	(void)fputs("],\n", h->out);
}

static uint32_t name_of(const struct flame_frame *f)
{
	return f->name;
}

static uint32_t module_of(const struct flame_frame *f)
{
	return f->module;
}

/* In the order of the list: boxes come to a string for the first time in just that order. */
static void put_colors_of(const struct html *h, const char *key, const struct array *places,
	uint32_t (*string_of)(const struct flame_frame *), unsigned (*color)(const char *))
{
	uint32_t n = 0;

	(void)fprintf(h->out, "\"%s\":[", key);
	ARRAY_EACH(&h->layout->boxes, struct layout_box, b) {
		uint32_t string = string_of(flame_frame(h->tree, b->node));
		if (*ARRAY_AT(places, uint32_t, string) != n + 1)
			continue;
		(void)fprintf(h->out, "%s%u", n ? "," : "",
			color(strings_get(&h->tree->strings, string, NULL)));
		n++;
	}
	(void)fputs("],\n", h->out);
}

static void put_palette(const struct html *h)
{
	for (int dark = 0; dark < 2; dark++) {
		(void)fprintf(h->out, "\"%s\":[", dark ? "dark" : "light");
		for (unsigned i = 0; i < PAINT_COLORS; i++)
			(void)fprintf(
				h->out, "%s\"#%06x\"", i ? "," : "", paint_color(i, dark != 0));
		(void)fputs("],\n", h->out);
	}
	(void)fprintf(h->out, "\"shades\":%u,\"change\":%u,\"changes\":%u,\"mergedColor\":%u,\n",
		PAINT_SHADES, PAINT_CHANGE, PAINT_CHANGES, PAINT_MERGED);
	(void)fputs("\"kinds\":[", h->out);
	for (unsigned i = 0; i < FLAME_KINDS; i++) {
		(void)fputs(i ? "," : "", h->out);
		paint_json(h->out, paint_kind_names[i]);
	}
	(void)fputs("],\n", h->out);
}

static void put_boxes(const struct html *h)
{
	const struct layout_box *first = h->layout->boxes.data;

	(void)fputs("\"boxes\":[", h->out);
	ARRAY_EACH(&h->layout->boxes, struct layout_box, b) {
		const struct flame_frame *f = flame_frame(h->tree, b->node);
		const struct flame_node *n = flame_node(h->tree, b->node);
		(void)fprintf(h->out, "%s%u,%u,%u,%u,%" PRId64 ",%" PRId64 ",%u",
			b == first ? "" : ",\n", b->depth,
			*ARRAY_AT(&h->names, uint32_t, f->name) - 1,
			*ARRAY_AT(&h->modules, uint32_t, f->module) - 1, f->kind, b->width,
			b->merged ? 0 : n->self[FLAME_NEW], b->merged);
		if (h->is_signed)
			(void)fprintf(h->out, ",%" PRId64 ",%" PRId64, b->value[FLAME_NEW],
				b->value[FLAME_BASE]);
	}
	(void)fputs("]\n", h->out);
}

static void put_data(struct html *h)
{
	const struct flame_options *o = h->options;

	(void)fputs("{", h->out);
	put_key(h, "type", h->tree->type);
	put_key(h, "unit", h->tree->unit);
	(void)fprintf(h->out,
		"\"compared\":%s,\"signed\":%s,\"inverted\":%s,\"icicle\":%s,\"byModule\":%s,\n"
		"\"rows\":%u,\"total\":%" PRId64 ",\"baseTotal\":%" PRId64
		",\"mergedFrames\":%" PRIu64 ",\"mergedWidth\":%" PRId64 ",\n",
		h->tree->compared ? "true" : "false", h->is_signed ? "true" : "false",
		h->tree->inverted ? "true" : "false", o->icicle ? "true" : "false",
		o->color_by == FLAME_COLOR_MODULE ? "true" : "false", h->layout->rows,
		flame_tree_whole(h->tree, FLAME_NEW), flame_tree_whole(h->tree, FLAME_BASE),
		h->layout->merged_nodes, h->layout->merged_width);
	put_list(h, "names", &h->names, name_of);
	put_list(h, "modules", &h->modules, module_of);
	put_colors_of(h, "nameShades", &h->names, name_of, paint_shade);
	put_colors_of(h, "moduleColors", &h->modules, module_of, paint_module);
	put_palette(h);
	put_boxes(h);
	(void)fputs("}", h->out);
}

/* What stands in the place of {{WORD}} in the page. */
static void put_word(struct html *h, const char *word, size_t n)
{
	const char *title = h->options->title ? h->options->title : "Flame graph";

	if (!strncmp(word, "title", n)) {
		paint_escape(h->out, title);
	} else if (!strncmp(word, "subtitle", n)) {
		paint_subtitle(h->tree, h->out);
	} else if (!strncmp(word, "style", n)) {
		(void)fputs(asset_flame_css, h->out);
	} else if (!strncmp(word, "script", n)) {
		(void)fputs(asset_flame_names_js, h->out);
		(void)fputs(asset_flame_js, h->out);
	} else {
		put_data(h);
	}
}

static void put_page(struct html *h)
{
	const char *at = asset_flame_html, *open, *close;

	while ((open = strstr(at, "{{")) && (close = strstr(open, "}}"))) {
		(void)fwrite(at, 1, (size_t)(open - at), h->out);
		put_word(h, open + 2, (size_t)(close - open - 2));
		at = close + 2;
	}
	(void)fputs(at, h->out);
}

int flame_write_html(
	const struct flame_tree *t, const struct flame_options *o, FILE *out, struct error *error)
{
	CLEANUP(html_deinit)
	struct html h = {
		.tree = t,
		.options = o,
		.out = out,
		.names = ARRAY_INIT(uint32_t, SIZE_MAX),
		.modules = ARRAY_INIT(uint32_t, SIZE_MAX),
	};
	const struct flame_node *root = flame_node(t, 0);
	struct layout layout;
	int r = layout_init(&layout, t, o->min_share, DEFAULT_SHARE, MAX_BOXES);

	if (r >= 0) {
		h.layout = &layout;
		h.is_signed = t->compared || root->weight != root->value[FLAME_NEW];
		r = array_resize(&h.names, t->strings.spans.n);
		if (r >= 0)
			r = array_resize(&h.modules, t->strings.spans.n);
		if (r >= 0)
			put_page(&h);
		layout_deinit(&layout);
	}
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot draw: %s", strerror(-r));
	return fflush(out) || ferror(out) ? error_set(error, -EIO, EXIT_CODE_FAILED,
						    "cannot write: %s", strerror(errno))
					  : 0;
}
