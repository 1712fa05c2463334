/* SPDX-License-Identifier: Apache-2.0 */
/* The options of verbs that draw flame graphs, and the file that they write. */
#ifndef PROFD_CLIENT_DRAWING_H
#define PROFD_CLIENT_DRAWING_H

#include "client/options.h"
#include "client/output.h"
#include "client/view/flame.h"

struct drawing {
	struct flame_options flame; /* title: `title` or the caller's */
	char *title;		    /* owned */
	const char *path;	    /* -o */
	enum output_format format;
	struct output output;
};
#define DRAWING_INIT                                                 \
	{                                                            \
		.flame = { .min_share = -1 }, .format = FORMAT_UNSET \
	}

/* An option of drawing_options, of verbs.c; any other id is asserted to be an error. */
int drawing_option(struct drawing *d, const struct options *options, int id, struct error *error);
/* Decides where to: -o; without it standard output where that is no terminal, else ./INPUT.svg. Of
 * -o and -f what is not svg or html is -EINVAL. */
int drawing_output(struct drawing *d, const char *input, struct error *error);
/* Writes, and says on standard error where to. */
int drawing_write(const struct drawing *d, const struct flame_tree *tree, struct error *error);
void drawing_deinit(struct drawing *d);

#endif
