/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: client profile base
/* Flame graphs and comparisons of any profile: no markup and no control character passes through.
 * The first byte chooses how it is drawn. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client/view/diff.h"
#include "client/view/flame.h"
#include "client/view/view.h"
#include "profile/pprof.h"

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static void check(const char *text, size_t scripts)
{
	assert(count(text, "<script") == scripts);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		assert(*c >= 0x20 || *c == '\n' || *c == '\t');
}

static void draw(const struct flame_tree *t, uint8_t how)
{
	struct flame_options o = { .title = "t",
		.icicle = how & 1,
		.color_by = how & 2 ? FLAME_COLOR_MODULE : FLAME_COLOR_KIND,
		.min_share = how & 4 ? -1 : (double)(how >> 4) / 15 };

	for (int html = 0; html < 2; html++) {
		char *text = NULL;
		size_t n = 0;
		FILE *out = open_memstream(&text, &n);

		assert(out);
		assert((html ? flame_write_html : flame_write_svg)(t, &o, out, NULL) == 0);
		(void)fclose(out);
		check(text, html ? 2 : 1);
		free(text);
	}
}

static void compare(struct profile *a, struct profile *b, uint8_t how)
{
	struct diff_side sides[] = { { .profile = a, .name = "a" }, { .profile = b, .name = "b" } };
	struct diff_view view = {
		.n = how & 1 ? -1 : 0, .paths = how & 2, .width = how & 4 ? 120 : 0
	};
	char *none[] = { NULL }, *text = NULL;
	size_t n = 0;
	struct diff d;

	if (diff_init(&d, sides, NULL, (enum diff_normalize)(how % 3), how & 8, NULL) < 0)
		return;
	FILE *out = open_memstream(&text, &n);
	assert(out);
	assert(diff_write_text(&d, &view, out, NULL) == 0);
	assert(diff_write_json(&d, &view, none, out, NULL) == 0);
	(void)fclose(out);
	check(text, 0);
	free(text);
	draw(&d.tree, how);
	diff_deinit(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct profile *p = NULL, *again = NULL;
	uint32_t type;

	if (n < 1 || n > 1 << 16 || pprof_decode(data + 1, n - 1, &p, NULL) < 0)
		return 0;
	if (view_sample_index(p, NULL, &type, NULL) == 0) {
		struct flame_tree t;
		assert(flame_tree_init(&t, false, data[0] & 8) == 0);
		assert(flame_tree_add(&t, p, type, FLAME_NEW) == 0);
		assert(flame_tree_finish(&t) == 0);
		draw(&t, data[0]);
		flame_tree_deinit(&t);
	}
	/* With itself, scaled by what its first byte is. */
	if (pprof_decode(data + 1, n - 1, &again, NULL) == 0)
		compare(p, again, data[0]);
	(void)profile_free(again);
	(void)profile_free(p);
	return 0;
}
