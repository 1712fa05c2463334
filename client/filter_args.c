/* SPDX-License-Identifier: Apache-2.0 */
/* Owns where a filter's option goes, and notes on filters. */
#include "client/filter_args.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char **slot(struct filter *f, int id)
{
	switch (id) {
	case OPTION_FOCUS:
		return &f->focus;
	case OPTION_IGNORE:
		return &f->ignore;
	case OPTION_HIDE:
		return &f->hide;
	case OPTION_SHOW:
		return &f->show;
	case OPTION_SHOW_FROM:
		return &f->show_from;
	case OPTION_TAGFOCUS:
		return &f->tagfocus;
	case OPTION_TAGIGNORE:
		return &f->tagignore;
	case OPTION_TAGROOT:
		return &f->tagroot;
	case OPTION_TAGLEAF:
		return &f->tagleaf;
	default:
		return NULL;
	}
}

bool filter_option(struct filter *f, const struct options *options, int id)
{
	const char **to = slot(f, id);

	if (to)
		*to = options->value;
	return to;
}

int filter_notes_init(struct filter_notes *n, struct error *error)
{
	*n = (struct filter_notes){ 0 };
	n->out = open_memstream(&n->text, &n->n);
	return n->out ? 0 : error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
}

void filter_notes_deinit(struct filter_notes *n)
{
	if (n->out)
		(void)fclose(n->out);
	free(n->text);
}

static bool has_line(const char *text, const char *line, size_t n)
{
	for (; *text; text += strcspn(text, "\n") + 1)
		if (!strncmp(text, line, n))
			return true;
	return false;
}

void filter_notes_keep_common(struct filter_notes *a, struct filter_notes *b)
{
	if (fflush(a->out) || fflush(b->out))
		return;
	char *to = a->text;
	for (const char *line = a->text; *line;) {
		size_t n = strcspn(line, "\n") + 1;
		bool common = has_line(b->text, line, n);
		if (common)
			memmove(to, line, n);
		to += common ? n : 0;
		line += n;
	}
	*to = '\0';
}

void filter_notes_say(struct filter_notes *n)
{
	if (fflush(n->out) == 0)
		(void)fputs(n->text, stderr);
}
