/* SPDX-License-Identifier: Apache-2.0 */
/* profctl diff: what changed from one profile to another, for people, for pictures and for CI. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "client/commands.h"
#include "client/drawing.h"
#include "client/filter_args.h"
#include "client/load.h"
#include "client/options.h"
#include "client/threshold.h"
#include "client/view/diff.h"
#include "client/view/frame.h"

#define MAX_THRESHOLDS 64U

static const char *const normalize_names[] = { "none", "total", "time", NULL };

struct diff_command {
	const char *files[2]; /* by enum flame_side */
	unsigned n_files;
	const char *sample_index;
	enum diff_normalize normalize;
	struct diff_view view;
	bool cum, json, inverted, draw;
	struct filter filter;
	struct array thresholds; /* struct threshold */
	struct array lines;	 /* char *, owned: what was crossed; ends with NULL */
	struct drawing drawing;
};

static int take_lines(struct diff_command *c, const char *value, struct error *error)
{
	uint64_t n;
	int r = parse_number(value, "number of rows", 0, INT32_MAX, &n, error);

	if (r == 0)
		c->view.n = n ? (int)n : -1;
	return r;
}

static int take_normalize(struct diff_command *c, const char *value, struct error *error)
{
	for (size_t i = 0; normalize_names[i]; i++) {
		if (!strcmp(normalize_names[i], value)) {
			c->normalize = (enum diff_normalize)i;
			return 0;
		}
	}
	return unknown_word("value of --normalize", value, normalize_names, error);
}

static int take_threshold(struct diff_command *c, const char *value, struct error *error)
{
	struct threshold *t = array_push(&c->thresholds);

	if (!t)
		return error_set(error, -E2BIG, EXIT_CODE_USAGE, "more than %u times --fail-on",
			MAX_THRESHOLDS);
	return threshold_init(t, value, error);
}

static int take_option(
	struct diff_command *c, const struct options *options, int id, struct error *error)
{
	if (filter_option(&c->filter, options, id))
		return 0;
	switch (id) {
	case OPTION_OPERAND:
		if (c->n_files == 2)
			return unexpected_operand(options->verb, options->value, error);
		c->files[c->n_files++] = options->value;
		return 0;
	case OPTION_LINES:
		return take_lines(c, options->value, error);
	case OPTION_CUM:
		c->cum = true;
		return 0;
	case OPTION_PATHS:
		c->view.paths = true;
		return 0;
	case OPTION_SAMPLE_INDEX:
		c->sample_index = options->value;
		return 0;
	case OPTION_NORMALIZE:
		return take_normalize(c, options->value, error);
	case OPTION_FAIL_ON:
		return take_threshold(c, options->value, error);
	case OPTION_JSON:
		c->json = true;
		return 0;
	case OPTION_INVERTED:
		c->inverted = true;
		return 0;
	case OPTION_OUTPUT:
	case OPTION_FORMAT:
		c->draw = true;
		return drawing_option(&c->drawing, options, id, error);
	default:
		return drawing_option(&c->drawing, options, id, error);
	}
}

static int check(const struct diff_command *c, struct error *error)
{
	if (c->n_files < 2)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"diff needs two profile files, the one before and the one after");
	if (!strcmp(c->files[0], "-") && !strcmp(c->files[1], "-"))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"only one of the profiles can be standard input");
	ARRAY_EACH(&c->thresholds, struct threshold, t)
		if (t->kind == THRESHOLD_TOTAL && c->normalize == DIFF_TOTAL)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"--fail-on %s never fails with --normalize total, which makes the "
				"totals equal",
				t->text);
	return 0;
}

static int parse(struct diff_command *c, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("diff"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = take_option(c, &options, id, error);
		if (r < 0)
			return r;
	}
	r = check(c, error);
	return r == 0 && c->draw ? drawing_output(&c->drawing, c->files[1], error) : r;
}

static void look_at_terminal(struct diff_command *c)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return;
	c->view.color = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		c->view.width = size.ws_col;
}

/* The drawing begins at the leaves: a tree of its own. */
static int draw_inverted(const struct diff_command *c, const struct diff *d, struct error *error)
{
	CLEANUP(flame_tree_deinit) struct flame_tree tree = { 0 };
	int r = flame_tree_init(&tree, true, true);

	memcpy(tree.whole, d->tree.whole, sizeof(tree.whole));
	for (int side = FLAME_BASE; side <= FLAME_NEW && r >= 0; side++)
		r = flame_tree_add(&tree, d->side[side].profile, d->type[side], side);
	if (r >= 0)
		r = flame_tree_finish(&tree);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot draw: %s", strerror(-r));
	return drawing_write(&c->drawing, &tree, error);
}

static int draw(struct diff_command *c, const struct diff *d, struct error *error)
{
	_cleanup_free_ char *base = frame_safe(frame_basename(c->files[FLAME_BASE]), 0);
	_cleanup_free_ char *new = frame_safe(frame_basename(c->files[FLAME_NEW]), 0);
	_cleanup_free_ char *title = NULL;

	if (!base || !new || asprintf(&title, "%s → %s", base, new) < 0) {
		title = NULL;
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	}
	if (!c->drawing.flame.title)
		c->drawing.flame.title = title;
	int r = c->inverted ? draw_inverted(c, d, error)
			    : drawing_write(&c->drawing, &d->tree, error);
	c->drawing.flame.title = c->drawing.title;
	return r;
}

static int check_thresholds(struct diff_command *c, const struct diff *d, struct error *error)
{
	int r = 0;

	ARRAY_EACH(&c->thresholds, struct threshold, t)
		if (r == 0)
			r = threshold_check(t, d, &c->lines);
	/* For readers that look for the end. */
	if (r == 0 && !array_push(&c->lines))
		r = -ENOMEM;
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "out of memory") : 0;
}

static int show(struct diff_command *c, const struct diff *d, struct error *error)
{
	/* What is drawn on standard output is alone there. */
	if (c->draw) {
		int r = draw(c, d, error);
		if (r < 0 || c->drawing.output.to_stdout)
			return r;
	}
	int r = c->json ? diff_write_json(d, &c->view, c->lines.data, stdout, error)
			: diff_write_text(d, &c->view, stdout, error);
	/* A stream that failed is finish_stdout()'s to judge: a reader may have left. */
	return r == -EIO ? 0 : r;
}

static int compare(struct diff_command *c, struct error *error)
{
	CLEANUP(profile_freep) struct profile *base = NULL;
	CLEANUP(profile_freep) struct profile *new = NULL;
	CLEANUP(filter_notes_deinit) struct filter_notes of_base = { 0 };
	CLEANUP(filter_notes_deinit) struct filter_notes of_new = { 0 };
	CLEANUP(diff_deinit) struct diff d = { 0 };
	int r = load_unified(c->files[FLAME_BASE], &base, error);

	if (r == 0)
		r = load_unified(c->files[FLAME_NEW], &new, error);
	if (r == 0)
		r = filter_notes_init(&of_base, error);
	if (r == 0)
		r = filter_notes_init(&of_new, error);
	if (r < 0)
		return r;
	struct diff_side sides[2] = {
		[FLAME_BASE] = { .profile = base,
			.name = c->files[FLAME_BASE],
			.filter = &c->filter,
			.notes = of_base.out },
		[FLAME_NEW] = { .profile = new,
			.name = c->files[FLAME_NEW],
			.filter = &c->filter,
			.notes = of_new.out },
	};
	r = diff_init(&d, sides, c->sample_index, c->normalize, c->cum, error);
	if (r == 0)
		r = check_thresholds(c, &d, error);
	if (r < 0)
		return r;
	filter_notes_keep_common(&of_base, &of_new);
	filter_notes_say(&of_base);
	return show(c, &d, error);
}

static void diff_command_deinit(struct diff_command *c)
{
	ARRAY_EACH(&c->thresholds, struct threshold, t)
		threshold_deinit(t);
	ARRAY_EACH(&c->lines, char *, line)
		free(*line);
	array_deinit(&c->thresholds);
	array_deinit(&c->lines);
	drawing_deinit(&c->drawing);
}

int cmd_diff(int argc, char **argv)
{
	CLEANUP(diff_command_deinit)
	struct diff_command c = {
		.thresholds = ARRAY_INIT(struct threshold, MAX_THRESHOLDS),
		.lines = ARRAY_INIT(char *, 8 * MAX_THRESHOLDS),
		.drawing = DRAWING_INIT,
	};
	struct error error = ERROR_INIT;

	if (parse(&c, argc, argv, &error) < 0)
		return complain(&error);
	look_at_terminal(&c);
	if (compare(&c, &error) < 0)
		return complain(&error);
	int code = EXIT_CODE_OK;
	for (size_t i = 0; i + 1 < c.lines.n; i++) {
		struct error crossed = ERROR_INIT;
		(void)error_set(&crossed, -ERANGE, EXIT_CODE_THRESHOLD, "failed on %s",
			((char **)c.lines.data)[i]);
		code = complain(&crossed);
	}
	return code;
}
