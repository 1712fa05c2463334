/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns a comparison as JSON: one object.
 *
 *   schema: "profd.diff", version: 1 (fields may be added; a changed meaning is a new version)
 *   type, unit, normalize: "none" | "total" | "time", scale: what the new values were multiplied
 * with base, new: {file, total, duration_nanos} functions: [{name, flat: CHANGE, cum: CHANGE}], the
 * largest change first paths: [{stack: [name, root first], self: CHANGE}], with --paths failed:
 * [text], a threshold each that was crossed
 *
 * CHANGE is {base, new, delta, base_share, new_share}: values, and shares of each side's own total
 * from 0 to 1. All functions of both profiles are there, or the first n.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "view/diff.h"
#include "view/frame.h"
#include "view/paint.h"

static void put_change(const struct diff *d, const char *key, const int64_t v[2], FILE *out)
{
	(void)fprintf(out,
		"\"%s\":{\"base\":%" PRId64 ",\"new\":%" PRId64 ",\"delta\":%" PRId64
		",\"base_share\":%.9g,\"new_share\":%.9g}",
		key, v[FLAME_BASE], v[FLAME_NEW], diff_of(v),
		diff_share(d, FLAME_BASE, v[FLAME_BASE]), diff_share(d, FLAME_NEW, v[FLAME_NEW]));
}

static int put_side(const struct diff *d, enum flame_side side, FILE *out)
{
	_cleanup_free_ char *name = frame_safe(d->side[side].name, 0);

	if (!name)
		return -ENOMEM;
	(void)fprintf(out, "\"%s\":{\"file\":", side == FLAME_BASE ? "base" : "new");
	paint_json(out, name);
	(void)fprintf(out, ",\"total\":%" PRId64 ",\"duration_nanos\":%" PRId64 "},\n",
		d->side[side].total, d->side[side].profile->duration_nanos);
	return 0;
}

static int put_head(const struct diff *d, FILE *out)
{
	static const char *const ways[] = { "none", "total", "time" };

	(void)fputs("{\"schema\":\"profd.diff\",\"version\":1,\n\"type\":", out);
	paint_json(out, d->tree.type);
	(void)fputs(",\"unit\":", out);
	paint_json(out, d->tree.unit);
	(void)fprintf(
		out, ",\"normalize\":\"%s\",\"scale\":%.17g,\n", ways[d->normalize], d->scale);
	int r = put_side(d, FLAME_BASE, out);
	return r < 0 ? r : put_side(d, FLAME_NEW, out);
}

/* From the root to the node: the way back is turned round by recursion no deeper than a stack of
 * its own, since paths are as long as a file says. */
static int put_stack(const struct diff *d, uint32_t node, FILE *out)
{
	_cleanup_free_ uint32_t *stack = NULL;
	size_t n = 0;

	for (uint32_t i = node; i; i = flame_node(&d->tree, i)->parent)
		n++;
	stack = calloc(n + 1, sizeof(*stack));
	if (!stack)
		return -ENOMEM;
	for (uint32_t i = node, k = (uint32_t)n; i; i = flame_node(&d->tree, i)->parent)
		stack[--k] = i;
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i ? "," : "", out);
		paint_json(out, flame_name(&d->tree, stack[i]));
	}
	return 0;
}

static int put_paths(const struct diff *d, size_t n, FILE *out)
{
	const uint32_t *paths = d->paths.data;
	int r = 0;

	(void)fputs("],\n\"paths\":[", out);
	for (size_t i = 0; i < n && r >= 0; i++) {
		(void)fputs(i ? ",\n{\"stack\":[" : "{\"stack\":[", out);
		r = put_stack(d, paths[i], out);
		(void)fputs("],", out);
		put_change(d, "self", flame_node(&d->tree, paths[i])->self, out);
		(void)fputc('}', out);
	}
	return r;
}

int diff_write_json(const struct diff *d, const struct diff_view *v, char *const *failed, FILE *out,
	struct error *error)
{
	size_t n = v->n > 0 ? (size_t)v->n : SIZE_MAX;
	int r = put_head(d, out);

	(void)fputs("\"functions\":[", out);
	for (size_t i = 0; i < MIN(n, d->rows.n); i++) {
		const struct diff_row *row = ARRAY_AT(&d->rows, struct diff_row, i);
		(void)fputs(i ? ",\n{\"name\":" : "{\"name\":", out);
		paint_json(out, diff_name(d, row));
		(void)fputc(',', out);
		put_change(d, "flat", row->flat, out);
		(void)fputc(',', out);
		put_change(d, "cum", row->cum, out);
		(void)fputc('}', out);
	}
	if (v->paths && r >= 0)
		r = put_paths(d, MIN(n, d->paths.n), out);
	(void)fputs("],\n\"failed\":[", out);
	for (size_t i = 0; failed[i]; i++) {
		(void)fputs(i ? "," : "", out);
		paint_json(out, failed[i]);
	}
	(void)fputs("]}\n", out);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	return fflush(out) || ferror(out) ? error_set(error, -EIO, EXIT_CODE_FAILED,
						    "cannot write: %s", strerror(errno))
					  : 0;
}
