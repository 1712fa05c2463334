/* SPDX-License-Identifier: Apache-2.0 */
/* profctl merge: the sum of profiles. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "client/commands.h"
#include "client/load.h"
#include "client/options.h"
#include "client/output.h"

struct merge_options {
	const char **files; /* owned; borrowed from argv */
	size_t n_files;
	const char *out;
	enum output_format format;
};

static int take_option(
	struct merge_options *o, const struct options *options, int id, struct error *error)
{
	switch (id) {
	case OPTION_OPERAND:
		o->files[o->n_files++] = options->value;
		return 0;
	case OPTION_OUTPUT:
		o->out = options->value;
		return 0;
	case OPTION_FORMAT:
		return output_format_parse(options->value, &o->format, error);
	default:
		assert(id < 0); /* what is in the table is understood */
		return id;
	}
}

static int parse(struct merge_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("merge"), argc, argv);
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
			"merge needs profile files; - is standard input");
	return 0;
}

static int merge(struct merge_options *o, int argc, char **argv, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct output output;
	int r = parse(o, argc, argv, error);

	if (r >= 0)
		r = output_init(&output, o->out ? o->out : "-", o->format, "", "", true, error);
	if (r >= 0)
		r = load_merged(o->files, o->n_files, &p, error);
	return r < 0 ? r : output_write_profile(&output, p, error);
}

int cmd_merge(int argc, char **argv)
{
	struct merge_options o = { .format = FORMAT_UNSET };
	struct error error = ERROR_INIT;
	int r = merge(&o, argc, argv, &error);

	free(o.files);
	return r < 0 ? complain(&error) : EXIT_CODE_OK;
}
