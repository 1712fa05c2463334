/* SPDX-License-Identifier: Apache-2.0 */
/* profctl convert: a profile in another format. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/io.h"
#include "client/commands.h"
#include "client/load.h"
#include "client/options.h"
#include "client/output.h"
#include "profile/pprof.h"

#define CONVERT_GZIP_LEVEL 6

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
	struct options options = OPTIONS_INIT(profctl_verb("convert"), argc, argv);
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

/* The profile as gzipped profile.proto, which is what output_write() takes. */
static int encode(const struct profile *p, char **ret, size_t *ret_n, struct error *error)
{
	_cleanup_close_ int fd = io_memfd("profile");
	int r = fd < 0 ? fd : pprof_write(p, fd, CONVERT_GZIP_LEVEL);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = io_read_fd(fd, LIMIT_PROFILE_BYTES, ret, ret_n);
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot encode the profile: %s",
			       strerror(-r))
		     : 0;
}

int cmd_convert(int argc, char **argv)
{
	CLEANUP(profile_freep) struct profile *p = NULL;
	struct convert_options o = { .format = FORMAT_UNSET };
	struct error error = ERROR_INIT;
	_cleanup_free_ char *data = NULL;
	struct output output;
	size_t n;

	if (parse(&o, argc, argv, &error) < 0)
		return complain(&error);
	if (output_init(&output, o.out ? o.out : "-", o.format, "", "", true, &error) < 0 ||
		load_profile(o.in, &p, &error) < 0)
		return complain(&error);
	if (output.to_stdout && output.format != FORMAT_PPROF) {
		int r = output_render(p, output.format, stdout, &error);

		return r < 0 && r != -EIO ? complain(&error) : EXIT_CODE_OK;
	}
	if (encode(p, &data, &n, &error) < 0 || output_write(&output, data, n, &error) < 0)
		return complain(&error);
	return EXIT_CODE_OK;
}
