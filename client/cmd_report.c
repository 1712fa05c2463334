/* SPDX-License-Identifier: Apache-2.0 */
/* profctl report: profiles as text. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "client/commands.h"
#include "client/filter_args.h"
#include "client/load.h"
#include "client/options.h"
#include "client/pager.h"
#include "client/view/graph.h"
#include "client/view/view.h"

static const char *const color_names[] = { "auto", "always", "never", NULL };
static const char *const granularity_names[] = {
	[GRANULARITY_FUNCTIONS] = "functions",
	[GRANULARITY_FILEFUNCTIONS] = "filefunctions",
	[GRANULARITY_FILES] = "files",
	[GRANULARITY_LINES] = "lines",
	[GRANULARITY_ADDRESSES] = "addresses",
	NULL,
};

struct report_options {
	const char **files; /* owned; borrowed from argv */
	size_t n_files;
	int view_id;	    /* OPTION_TOP, ... */
	const char *symbol; /* of --peek and --list */
	struct view_options view;
	struct filter filter;
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

static int take_view(struct report_options *o, const struct options *options, struct error *error)
{
	if (o->view_id && o->view_id != options->option->id)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"one of --top, --tree, --traces, --peek and --list at a time");
	o->view_id = options->option->id;
	o->symbol = options->value;
	return 0;
}

static int take_granularity(struct report_options *o, const char *value, struct error *error)
{
	for (size_t i = 0; granularity_names[i]; i++) {
		if (!strcmp(granularity_names[i], value)) {
			o->view.granularity = (enum view_granularity)i;
			return 0;
		}
	}
	return unknown_word("value of --granularity", value, granularity_names, error);
}

static int take_color(struct report_options *o, const char *value, struct error *error)
{
	for (size_t i = 0; color_names[i]; i++) {
		if (!strcmp(color_names[i], value)) {
			o->color = color_names[i];
			return 0;
		}
	}
	return unknown_word("value of --color", value, color_names, error);
}

static int take_option(
	struct report_options *o, const struct options *options, int id, struct error *error)
{
	if (filter_option(&o->filter, options, id))
		return 0;
	switch (id) {
	case OPTION_OPERAND:
		o->files[o->n_files++] = options->value;
		return 0;
	case OPTION_LINES:
		return take_lines(o, options->value, error);
	case OPTION_CUM:
		o->view.cum = true;
		return 0;
	case OPTION_SAMPLE_INDEX:
		o->view.sample_index = options->value;
		return 0;
	case OPTION_VALUE_UNIT:
		o->view.unit = options->value;
		return 0;
	case OPTION_GRANULARITY:
		return take_granularity(o, options->value, error);
	case OPTION_NO_PAGER:
		o->no_pager = true;
		return 0;
	case OPTION_COLOR:
		return take_color(o, options->value, error);
	case OPTION_TOP:
	case OPTION_TREE:
	case OPTION_TRACES:
	case OPTION_PEEK:
	case OPTION_LIST:
		return take_view(o, options, error);
	default:
		assert(id < 0); /* what is in the table is understood */
		return id;
	}
}

static int parse(struct report_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("report"), argc, argv);
	int id, r;

	o->files = calloc((size_t)argc + 1, sizeof(*o->files));
	if (!o->files)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	while ((id = options_next(&options, error)) != OPTION_END) {
		r = take_option(o, &options, id, error);
		if (r < 0)
			return r;
	}
	if (!o->n_files)
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

/* Samples that are shown one by one are merged as pprof does; for sums it makes no difference. */
static int load(const struct report_options *o, struct profile **ret, struct error *error)
{
	return o->n_files > 1 || o->view_id == OPTION_TRACES
		       ? load_merged(o->files, o->n_files, ret, error)
		       : load_unified(o->files[0], ret, error);
}

/* Shares are of all, also where only a part is shown. */
static int filter(struct report_options *o, struct profile *p, int64_t *total, struct error *error)
{
	uint32_t type;
	int r = view_sample_index(p, o->view.sample_index, &type, error);

	if (r < 0)
		return r;
	r = graph_total(p, type, total);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "out of memory");
	o->view.total = total;
	o->filter.unit = o->view.unit;
	o->view.filter = &o->filter;
	return filter_apply(p, &o->filter, stderr, error);
}

static int show(const struct report_options *o, const struct profile *p, struct error *error)
{
	switch (o->view_id) {
	case OPTION_TREE:
		return view_tree(p, &o->view, stdout, error);
	case OPTION_TRACES:
		return view_traces(p, &o->view, stdout, error);
	case OPTION_PEEK:
		return view_peek(p, &o->view, o->symbol, stdout, error);
	case OPTION_LIST:
		return view_list(p, &o->view, o->symbol, stdout, error);
	default:
		return view_top(p, &o->view, stdout, error);
	}
}

static int report(struct report_options *o, int argc, char **argv, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	int64_t total;
	int r = parse(o, argc, argv, error);

	if (r >= 0)
		r = load(o, &p, error);
	if (r >= 0)
		r = filter(o, p, &total, error);
	if (r >= 0) {
		look_at_terminal(o);
		if (!o->no_pager)
			pager_open();
		r = show(o, p, error);
		pager_close();
	}
	o->view.total = NULL;
	return r;
}

int cmd_report(int argc, char **argv)
{
	struct report_options o = { 0 };
	struct error error = ERROR_INIT;
	int r = report(&o, argc, argv, &error);

	free(o.files);
	/* A stream that failed is finish_stdout()'s to judge: a reader may have left. */
	return r < 0 && r != -EIO ? complain(&error) : EXIT_CODE_OK;
}
