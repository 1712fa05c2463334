/* SPDX-License-Identifier: Apache-2.0 */
/* profctl flame: profiles as one flame graph, in a file that stands alone. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "client/commands.h"
#include "client/drawing.h"
#include "client/filter_args.h"
#include "client/load.h"
#include "client/options.h"
#include "client/view/flame.h"
#include "client/view/frame.h"
#include "client/view/view.h"

struct flame_command {
	char **files; /* owned array of the operands, which are argv's */
	unsigned n_files;
	const char *sample_index, *title;
	bool inverted;
	struct filter filter;
	struct filter_notes notes; /* of all files so far */
	struct drawing drawing;
};

static int take_option(
	struct flame_command *c, const struct options *options, int id, struct error *error)
{
	if (filter_option(&c->filter, options, id))
		return 0;
	switch (id) {
	case OPTION_OPERAND:
		c->files[c->n_files++] = (char *)options->value;
		return 0;
	case OPTION_INVERTED:
		c->inverted = true;
		return 0;
	case OPTION_SAMPLE_INDEX:
		c->sample_index = options->value;
		return 0;
	default:
		return drawing_option(&c->drawing, options, id, error);
	}
}

static int parse(struct flame_command *c, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("flame"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = take_option(c, &options, id, error);
		if (r < 0)
			return r;
	}
	if (!c->n_files)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"flame needs a profile file, or - for standard input");
	return drawing_output(&c->drawing, c->files[0], error);
}

static int filter(struct flame_command *c, struct profile *p, struct error *error)
{
	CLEANUP(filter_notes_deinit) struct filter_notes notes = { 0 };
	bool first = !c->notes.out;
	int r = filter_notes_init(first ? &c->notes : &notes, error);

	if (r < 0)
		return r;
	r = filter_apply(p, &c->filter, first ? c->notes.out : notes.out, error);
	if (r >= 0 && !first)
		filter_notes_keep_common(&c->notes, &notes);
	return r;
}

/* One file after the other, so that only one is held. */
static int add_files(struct flame_command *c, struct flame_tree *tree, struct error *error)
{
	for (unsigned i = 0; i < c->n_files; i++) {
		CLEANUP(profile_freep) struct profile *p = NULL;
		uint32_t type;
		int r = load_unified(c->files[i], &p, error);

		if (r == 0)
			r = view_sample_index(p, c->sample_index, &type, error);
		if (r < 0)
			return r;
		r = flame_tree_check(tree, p, type, c->files[i], error);
		if (r == 0) {
			flame_tree_count(tree, p, type, FLAME_NEW);
			r = filter(c, p, error);
		}
		if (r < 0)
			return r;
		r = flame_tree_add(tree, p, type, FLAME_NEW);
		if (r < 0)
			return error_set(error, r, EXIT_CODE_FAILED, "cannot draw %s: %s",
				c->files[i], strerror(-r));
	}
	filter_notes_say(&c->notes);
	int r = flame_tree_finish(tree);
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot draw: %s", strerror(-r)) : 0;
}

static int draw(struct flame_command *c, struct error *error)
{
	CLEANUP(flame_tree_deinit) struct flame_tree tree = { 0 };
	_cleanup_free_ char *title = frame_safe(frame_basename(c->files[0]), 0);
	int r = title ? flame_tree_init(&tree, false, c->inverted) : -ENOMEM;

	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot draw: %s", strerror(-r));
	r = add_files(c, &tree, error);
	if (r < 0)
		return r;
	if (!c->drawing.flame.title && strcmp(c->files[0], "-") != 0)
		c->drawing.flame.title = title;
	r = drawing_write(&c->drawing, &tree, error);
	c->drawing.flame.title = NULL;
	return r;
}

static void flame_command_deinit(struct flame_command *c)
{
	drawing_deinit(&c->drawing);
	filter_notes_deinit(&c->notes);
	free(c->files);
}

int cmd_flame(int argc, char **argv)
{
	CLEANUP(flame_command_deinit) struct flame_command c = { .drawing = DRAWING_INIT };
	struct error error = ERROR_INIT;

	c.files = calloc((size_t)argc + 1, sizeof(*c.files));
	int r = c.files ? parse(&c, argc, argv, &error)
			: error_set(&error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (r == 0)
		r = draw(&c, &error);
	return r < 0 ? complain(&error) : EXIT_CODE_OK;
}
