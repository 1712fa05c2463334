/* SPDX-License-Identifier: Apache-2.0 */
/* Owns how flame graphs are asked for and where they go. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "client/drawing.h"
#include "client/verb.h"
#include "client/view/frame.h"

#define MAX_TITLE 200U

static const char *const color_names[] = { "kind", "module", NULL };
static const char *const drawn[] = { "svg", "html", NULL };

static int take_min_width(struct drawing *d, const char *value, struct error *error)
{
	char *end;
	double percent = strtod(value, &end);

	if (end > value && *end == '%')
		end++;
	if (!isdigit((unsigned char)*value) || *end || !(percent >= 0 && percent <= 50))
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad width '%.60s': a percentage of the whole from 0 to 50 is needed",
			value);
	d->flame.min_share = percent / 100;
	return 0;
}

static int take_title(struct drawing *d, const char *value, struct error *error)
{
	free(d->title);
	d->title = frame_safe(value, 0);
	d->flame.title = d->title;
	if (!d->title)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	if (strlen(value) > MAX_TITLE)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"the title is longer than %u bytes", MAX_TITLE);
	return 0;
}

static int take_color(struct drawing *d, const char *value, struct error *error)
{
	for (size_t i = 0; color_names[i]; i++) {
		if (!strcmp(color_names[i], value)) {
			d->flame.color_by = (enum flame_color)i;
			return 0;
		}
	}
	return unknown_word("value of --color-by", value, color_names, error);
}

int drawing_option(struct drawing *d, const struct options *options, int id, struct error *error)
{
	switch (id) {
	case OPTION_OUTPUT:
		d->path = options->value;
		return 0;
	case OPTION_FORMAT:
		if (strcmp(options->value, drawn[0]) != 0 && strcmp(options->value, drawn[1]) != 0)
			return unknown_word("format of a drawing", options->value, drawn, error);
		return output_format_parse(options->value, &d->format, error);
	case OPTION_TITLE:
		return take_title(d, options->value, error);
	case OPTION_ICICLE:
		d->flame.icicle = true;
		return 0;
	case OPTION_COLOR_BY:
		return take_color(d, options->value, error);
	case OPTION_MIN_WIDTH:
		return take_min_width(d, options->value, error);
	default:
		assert(id < 0); /* what is in the table is understood */
		return id;
	}
}

/* ./INPUT without what says that it is a profile, with the suffix of a drawing. */
static int default_path(const char *input, enum output_format format, char path[LIMIT_PATH])
{
	static const char *const endings[] = { ".gz", ".pb", ".pprof", ".prof" };
	char name[LIMIT_PATH];
	int n = snprintf(name, sizeof(name), "%s",
		strcmp(input, "-") != 0 ? frame_basename(input) : "flame");

	if (n >= (int)sizeof(name) - 16)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t m = strlen(endings[i]), k = strlen(name);
		if (k > m && !strcmp(name + k - m, endings[i]))
			name[k - m] = '\0';
	}
	(void)snprintf(
		path, LIMIT_PATH, "./%.4000s.%s", name, format == FORMAT_HTML ? "html" : "svg");
	return 0;
}

int drawing_output(struct drawing *d, const char *input, struct error *error)
{
	bool terminal = isatty(STDOUT_FILENO), named = d->path != NULL;
	enum output_format format = d->format;
	char path[LIMIT_PATH];

	if (format == FORMAT_UNSET && named && strcmp(d->path, "-") != 0) {
		format = output_format_of(d->path);
		if (format != FORMAT_SVG && format != FORMAT_HTML && strncmp(d->path, "/dev/", 5))
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"cannot tell from '%.200s' what to draw: name it .svg or .html, or "
				"give -f svg or -f html",
				d->path);
	}
	d->format = format == FORMAT_HTML ? FORMAT_HTML : FORMAT_SVG;
	if (!named && default_path(input, d->format, path) < 0)
		return error_set(error, -ENAMETOOLONG, EXIT_CODE_USAGE,
			"the name of the input is too long to name the output by; give -o");
	int r = output_init(&d->output,
		named	   ? d->path
		: terminal ? path
			   : "-",
		d->format, "", "", true, error);
	d->output.defaulted = !named && !d->output.to_stdout;
	return r;
}

static int render(
	const struct drawing *d, const struct flame_tree *tree, FILE *out, struct error *error)
{
	return d->format == FORMAT_HTML ? flame_write_html(tree, &d->flame, out, error)
					: flame_write_svg(tree, &d->flame, out, error);
}

int drawing_write(const struct drawing *d, const struct flame_tree *tree, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_fclose_ FILE *out = NULL;
	size_t n = 0;

	if (d->output.to_stdout) {
		int r = render(d, tree, stdout, error);
		/* A stream that failed is finish_stdout()'s to judge: a reader may have left. */
		return r == -EIO ? 0 : r;
	}
	out = open_memstream(&text, &n);
	if (!out)
		return error_set(error, -errno, EXIT_CODE_FAILED, "out of memory");
	int r = render(d, tree, out, error);
	if (r < 0)
		return r;
	r = output_write_bytes(&d->output, text, n, error);
	if (r == 0)
		(void)fprintf(stderr, "%s: %zu bytes; open it in a browser\n", d->output.path, n);
	return r;
}

void drawing_deinit(struct drawing *d)
{
	free(d->title);
}
