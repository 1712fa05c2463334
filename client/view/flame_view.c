/* SPDX-License-Identifier: Apache-2.0 */
/* Owns flame graphs of one profile as they are without options: what formats are made by. */
#include <errno.h>
#include <string.h>
#include "view/flame.h"
#include "view/view.h"

static int draw(const struct profile *p, const struct view_options *o, bool html, FILE *out,
	struct error *error)
{
	struct flame_options flame = { .min_share = -1 };
	struct flame_tree tree;
	uint32_t type;
	int r = view_sample_index(p, o->sample_index, &type, error);

	if (r < 0)
		return r;
	r = flame_tree_init(&tree, false, false);
	if (r >= 0) {
		r = flame_tree_add(&tree, p, type, FLAME_NEW);
		if (r >= 0)
			r = flame_tree_finish(&tree);
		if (r >= 0)
			r = html ? flame_write_html(&tree, &flame, out, error)
				 : flame_write_svg(&tree, &flame, out, error);
		flame_tree_deinit(&tree);
	}
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot draw: %s", strerror(-r)) : 0;
}

int view_svg(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	return draw(p, o, false, out, error);
}

int view_html(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	return draw(p, o, true, out, error);
}
