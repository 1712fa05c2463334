/* SPDX-License-Identifier: Apache-2.0 */
/* profctl report: a profile as text. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "client/commands.h"
#include "client/load.h"
#include "client/options.h"
#include "client/pager.h"
#include "client/view/view.h"

static const char *const color_names[] = { "auto", "always", "never", NULL };

struct report_options {
	const char *file;
	struct view_options view;
	const char *color;
	bool no_pager;
};

static int take_lines(struct report_options *o, const char *value, struct error *error)
{
	uint64_t n;
	int r = parse_number(value, "number of rows", 0, INT32_MAX, &n, error);

	if (r == 0)
		o->view.n = n ? (int)n : -1;
	return r;
}

static int take_option(
	struct report_options *o, const struct options *options, int id, struct error *error)
{
	switch (id) {
	case OPTION_OPERAND:
		if (o->file)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"report shows one profile at a time, not also '%.60s'",
				options->value);
		o->file = options->value;
		return 0;
	case OPTION_LINES:
		return take_lines(o, options->value, error);
	case OPTION_CUM:
		o->view.cum = true;
		return 0;
	case OPTION_SAMPLE_INDEX:
		o->view.sample_index = options->value;
		return 0;
	case OPTION_NO_PAGER:
		o->no_pager = true;
		return 0;
	case OPTION_COLOR:
		for (size_t i = 0; color_names[i]; i++) {
			if (!strcmp(color_names[i], options->value)) {
				o->color = color_names[i];
				return 0;
			}
		}
		return unknown_word("value of --color", options->value, color_names, error);
	case OPTION_TOP: /* what it does anyway */
		return 0;
	default:
		assert(id < 0); /* what is in the table is understood */
		return id;
	}
}

static int parse(struct report_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(profctl_verb("report"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = take_option(o, &options, id, error);
		if (r < 0)
			return r;
	}
	if (!o->file)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"report needs a profile file, or - for standard input");
	return 0;
}

/* Before the pager takes standard output away. */
static void look_at_terminal(struct report_options *o)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool terminal = isatty(STDOUT_FILENO);
	struct winsize size;

	o->view.color = terminal && !(no_color && *no_color) && term && strcmp(term, "dumb");
	if (o->color && strcmp(o->color, "auto"))
		o->view.color = !strcmp(o->color, "always");
	if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		o->view.width = size.ws_col;
}

int cmd_report(int argc, char **argv)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct report_options o = { 0 };
	struct error error = ERROR_INIT;
	int r;

	if (parse(&o, argc, argv, &error) < 0 || load_profile(o.file, &p, &error) < 0)
		return complain(&error);
	look_at_terminal(&o);
	if (!o.no_pager)
		pager_open();
	r = view_top(p, &o.view, stdout, &error);
	pager_close();
	/* A stream that failed is finish_stdout()'s to judge: a reader may have left. */
	return r < 0 && r != -EIO ? complain(&error) : EXIT_CODE_OK;
}
