/* SPDX-License-Identifier: Apache-2.0 */
/* Owns colours and escaping of flame graphs. Names are hostile. */
#include "view/paint.h"
#include <math.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/unit.h"

struct hsl {
	double hue, saturation, light, dark; /* degrees, percent, percent, percent */
};

const char *const paint_kind_names[FLAME_KINDS] = {
	[FLAME_ROOT] = "all",
	[FLAME_USER] = "user",
	[FLAME_KERNEL] = "kernel",
	[FLAME_GO] = "Go",
	[FLAME_JIT] = "JIT",
	[FLAME_INLINED] = "inlined",
	[FLAME_UNNAMED] = "no name",
	[FLAME_LABEL] = "label",
};

/* Far enough apart also for those who see red and green alike: lightness differs with hue. */
static const struct hsl kinds[FLAME_KINDS] = {
	[FLAME_ROOT] = { 40, 12, 84, 30 },
	[FLAME_USER] = { 14, 82, 73, 35 },
	[FLAME_KERNEL] = { 268, 55, 80, 40 },
	[FLAME_GO] = { 194, 66, 72, 29 },
	[FLAME_JIT] = { 132, 44, 72, 27 },
	[FLAME_INLINED] = { 44, 90, 72, 24 },
	[FLAME_UNNAMED] = { 30, 6, 78, 36 },
	[FLAME_LABEL] = { 168, 32, 64, 33 },
};

static double channel(const struct hsl *c, double lightness, double n)
{
	double k = fmod(n + c->hue / 30, 12), l = lightness / 100;
	double a = c->saturation / 100 * MIN(l, 1 - l);

	return l - a * MAX(-1, MIN(MIN(k - 3, 9 - k), 1));
}

static uint32_t rgb(const struct hsl *c, bool dark)
{
	double l = dark ? c->dark : c->light;

	return (uint32_t)lround(channel(c, l, 0) * 255) << 16 |
	       (uint32_t)lround(channel(c, l, 8) * 255) << 8 |
	       (uint32_t)lround(channel(c, l, 4) * 255);
}

uint32_t paint_color(unsigned color, bool dark)
{
	struct hsl c = { 0, 0, 86, 24 }; /* PAINT_MERGED */

	if (color < PAINT_MODULE) {
		int shade = (int)(color % PAINT_SHADES);
		c = kinds[color / PAINT_SHADES];
		c.hue += 4 * shade - 6;
		c.light += 2.5 * shade - 3;
		c.dark += 2 * shade - 3;
	} else if (color < PAINT_CHANGE) {
		/* Hues that follow each other are far apart. */
		c = (struct hsl){ fmod((color - PAINT_MODULE) * 137.508, 360), 50, 75, 28 };
	} else if (color < PAINT_MERGED) {
		double change = ((double)color - PAINT_CHANGE) / PAINT_STEPS - 1;
		double much = sqrt(fabs(change));
		c = (struct hsl){ change < 0 ? 214 : 6, change == 0 ? 0 : 30 + 55 * much,
			90 - 24 * much, 26 + 16 * much };
	}
	return rgb(&c, dark);
}

/* Not seeded: a name has its colour in every file. */
static uint32_t fnv(const char *text)
{
	uint32_t h = 2166136261U;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619U;
	return h ^ h >> 15;
}

unsigned paint_shade(const char *name)
{
	return fnv(name) % PAINT_SHADES;
}

unsigned paint_module(const char *module)
{
	if (frame_is_kernel(module))
		return PAINT_KIND + FLAME_KERNEL * PAINT_SHADES + paint_shade(module);
	return *module ? PAINT_MODULE + fnv(module) % PAINT_MODULES
		       : PAINT_KIND + FLAME_UNNAMED * PAINT_SHADES;
}

unsigned paint_change(int64_t base, int64_t new)
{
	double a = fabs((double)base), b = fabs((double)new), half = PAINT_STEPS;
	double larger = MAX(a, b);
	double change = larger > 0 ? ((double)new - (double)base) / larger : 0;

	change = MAX(-1, MIN(1, change));
	return PAINT_CHANGE + (unsigned)lround(half + change * half);
}

unsigned paint_box(
	const struct flame_tree *t, const struct layout_box *b, enum flame_color color_by)
{
	const struct flame_frame *f = flame_frame(t, b->node);

	if (b->merged)
		return PAINT_MERGED;
	if (t->compared)
		return paint_change(b->value[FLAME_BASE], b->value[FLAME_NEW]);
	if (color_by == FLAME_COLOR_MODULE && f->kind != FLAME_ROOT)
		return paint_module(flame_module(t, b->node));
	return PAINT_KIND + f->kind * PAINT_SHADES + paint_shade(flame_name(t, b->node));
}

unsigned paint_kinds(const struct flame_tree *t, const struct layout *l)
{
	unsigned bits = 0;

	ARRAY_EACH(&l->boxes, struct layout_box, b)
		if (!b->merged)
			bits |= 1U << flame_frame(t, b->node)->kind;
	return bits;
}

void paint_subtitle(const struct flame_tree *t, FILE *out)
{
	const struct flame_node *root = flame_node(t, 0);
	int64_t base = root->value[FLAME_BASE], new = root->value[FLAME_NEW];
	char text[UNIT_TEXT];

	paint_escape(out, *t->type ? t->type : "value");
	(void)fputs(": ", out);
	if (t->compared) {
		paint_escape(out, unit_label(base, t->unit, "auto", text));
		(void)fputs(" → ", out);
	}
	paint_escape(out, unit_label(new, t->unit, "auto", text));
	if (t->compared && base) {
		double change = ((double)new - (double)base) / fabs((double)base) * 100;
		if (fabs(change) < 0.05)
			(void)fputs(" (unchanged)", out);
		else
			(void)fprintf(out, " (%+.1f%%)", change);
	}
	if (!t->compared && t->duration_ns[FLAME_NEW] > 0)
		(void)fprintf(out, " in %s",
			unit_label(t->duration_ns[FLAME_NEW], "nanoseconds", "auto", text));
}

void paint_escape(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			(void)fputs("&amp;", out);
			break;
		case '<':
			(void)fputs("&lt;", out);
			break;
		case '>':
			(void)fputs("&gt;", out);
			break;
		case '"':
			(void)fputs("&quot;", out);
			break;
		case '\'':
			(void)fputs("&#39;", out);
			break;
		default:
			(void)fputc_unlocked(*text, out);
		}
	}
}

void paint_json(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || strchr("\"\\<>&'", c))
			(void)fprintf(out, "\\u%04x", c);
		else
			(void)fputc_unlocked(c, out);
	}
	(void)fputc('"', out);
}

const char *paint_percent(int64_t value, int64_t total, char *buf)
{
	double share = total ? fabs((double)value / (double)total) * 100 : 0;

	(void)snprintf(
		buf, UNIT_TEXT, share >= 99.95 && share < 100.05 ? "%.0f%%" : "%.3g%%", share);
	return buf;
}
