/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: client profile base
/* A file that somebody hands to profctl: read it, show it in every way, write it, read it again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/io.h"
#include "profile/decode.h"
#include "profile/merge.h"
#include "profile/pprof.h"
#include "view/filter.h"
#include "view/view.h"

#define MAX_BYTES (64U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void show(const struct profile *p)
{
	static int (*const views[])(const struct profile *, const struct view_options *, FILE *,
		struct error *) = { view_top, view_tree, view_traces, view_dot, view_folded,
		view_text, view_json, view_perf_script, view_speedscope };
	struct view_options options = { .n = 5, .cum = true, .width = 80 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		(void)views[i](p, &options, out, NULL);
	options = (struct view_options){ .n = -1 };
	for (int g = GRANULARITY_FUNCTIONS; g <= GRANULARITY_ADDRESSES; g++) {
		options.granularity = (enum view_granularity)g;
		(void)view_tree(p, &options, out, NULL);
	}
	options = (struct view_options){ .unit = profile_text(p, 5) };
	(void)view_peek(p, &options, profile_text(p, 6), out, NULL);
	(void)view_list(p, &options, profile_text(p, 6), out, NULL);
	(void)fclose(out);
	free(text);
}

/* Its own strings are the expressions. */
static void cut(struct profile *p)
{
	struct filter f = {
		.focus = profile_text(p, 1),
		.hide = profile_text(p, 2),
		.tagfocus = profile_text(p, 3),
		.ignore = profile_text(p, 4),
		.show_from = profile_text(p, 5),
		.show = profile_text(p, 6),
		.tagignore = profile_text(p, 7),
	};
	char *text = NULL;
	size_t size;
	FILE *notes = open_memstream(&text, &size);

	if (!notes || profile_unify_mappings(p) < 0)
		abort();
	/* An expression that is none makes the rest be left alone. */
	if (filter_apply(p, &f, notes, NULL) >= 0)
		show(p);
	(void)fclose(notes);
	free(text);
}

/* As a large profile would be kept: the same stacks, and it is shown as well. */
static void keep_packed(const struct profile *p, const uint8_t *data, size_t n)
{
	struct profile *q = NULL;

	if (pprof_decode_packed(data, n, &q, NULL) < 0 || q->stacks.n != p->stacks.n ||
		profile_n_samples(q) != profile_n_samples(p))
		abort();
	for (uint32_t i = (uint32_t)p->stacks.n; i-- > 0;) {
		uint32_t here, there;
		const uint32_t *a = profile_stack(p, i, &here), *b = profile_stack(q, i, &there);
		if (here != there || (here && memcmp(a, b, here * sizeof(*a)) != 0))
			abort();
	}
	show(q);
	profile_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct profile *p = NULL, *again = NULL;

	if (pprof_decode_within(-1, data, n, MAX_BYTES, &p, NULL) < 0)
		return 0;
	show(p);
	keep_packed(p, data, n);
	_cleanup_close_ int fd = io_memfd("fuzz");
	/* What was accepted is written so that it is accepted again, with every sample. */
	if (fd < 0 || pprof_write(p, fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (pprof_read(fd, &again, NULL) < 0 || profile_n_samples(again) != profile_n_samples(p))
		abort();
	struct profile *sum = NULL;
	if (profile_new(&sum) < 0 || profile_merge(sum, p, NULL) < 0 ||
		profile_merge(sum, again, NULL) < 0)
		abort();
	profile_drop_zeros(sum);
	show(sum);
	cut(again);
	profile_free(sum);
	profile_free(again);
	profile_free(p);
	return 0;
}
