/* SPDX-License-Identifier: Apache-2.0 */
/* profctl convert: a profile in another format. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "client/commands.h"
#include "client/load.h"
#include "client/options.h"
#include "client/output.h"

struct convert_options {
	const char *in, *out;
	enum output_format format;
};

static int take_option(
	struct convert_options *o, const struct options *options, int id, struct error *error)
{
	switch (id) {
	case OPTION_OPERAND:
		if (o->in && o->out)
			return unexpected_operand(options->verb, options->value, error);
		*(o->in ? &o->out : &o->in) = options->value;
		return 0;
	case OPTION_OUTPUT:
		if (o->out)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"two outputs: '%.60s' and '%.60s'", o->out, options->value);
		o->out = options->value;
		return 0;
	case OPTION_FORMAT:
		return output_format_parse(options->value, &o->format, error);
	default:
		assert(id < 0); /* what is in the table is understood */
		return id;
	}
}

static int parse(struct convert_options *o, int argc, char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb("convert"), argc, argv);
	int id, r;

	while ((id = options_next(&options, error)) != OPTION_END) {
		r = take_option(o, &options, id, error);
		if (r < 0)
			return r;
	}
	if (!o->in)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"convert needs a profile file, or - for standard input");
	return 0;
}

static int convert(struct convert_options *o, int argc, char **argv, struct error *error)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct output output;
	int r = parse(o, argc, argv, error);

	if (r >= 0)
		r = output_init(&output, o->out ? o->out : "-", o->format, "", "", true, error);
	if (r >= 0) /* boxes of a module are one wherever it was loaded */
		r = output.format == FORMAT_DOT ? load_unified(o->in, &p, error)
						: load_profile(o->in, &p, error);
	return r < 0 ? r : output_write_profile(&output, p, error);
}

int cmd_convert(int argc, char **argv)
{
	struct convert_options o = { .format = FORMAT_UNSET };
	struct error error = ERROR_INIT;

	return convert(&o, argc, argv, &error) < 0 ? complain(&error) : EXIT_CODE_OK;
}
