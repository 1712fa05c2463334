/* SPDX-License-Identifier: Apache-2.0 */
/* Owns what --help prints. */
#include <string.h>
#include "client/help.h"

#define HELP_WIDTH 79

const struct help_entry help_exit_codes[] = {
	{ "0", "Fine." },
	{ "1", "Failed." },
	{ "2", "Usage: an unknown word, option or value." },
	{ "4", "No such target." },
	{ "5", "No daemon." },
	{ "6", "Denied." },
	{ "7", "This kernel cannot." },
	{ "8", "Not collected, or empty." },
	{ NULL, NULL },
};

const struct help_entry help_environment[] = {
	{ "PROFD_SOCKET", "The daemon's socket, where --socket is not given." },
	{ "PAGER", "What shows long reports on a terminal; cat or an empty value: nothing does." },
	{ "NO_COLOR", "Where it is set and not empty, no colours are used." },
	{ "TERM", "dumb: no colours and no progress bar." },
	{ "TMPDIR", "Where a profile is saved whose own file could not be written." },
	{ NULL, NULL },
};

bool option_word(const struct verb_option *o, unsigned n, char *buf, size_t size)
{
	const char *s = o->argument;
	size_t length;

	if (!s || !strchr(s, '|'))
		return false;
	for (; n; n--) {
		s = strchr(s, '|');
		if (!s)
			return false;
		s++;
	}
	length = strcspn(s, "|");
	snprintf(buf, size, "%.*s", (int)length, s);
	return true;
}

/* Wrapped text, each line after the first indented. */
static void wrap(FILE *out, const char *text, unsigned indent)
{
	unsigned column = indent;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > indent && column + 1 + n > HELP_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, n, out);
		column += n;
		text += n;
		text += *text == ' ';
	}
	fputc('\n', out);
}

void help_program(FILE *out, const struct program *p)
{
	fprintf(out, "Usage: %s COMMAND [OPTIONS...]\n\n", p->name);
	for (const char *const *text = p->text; *text; text++) {
		wrap(out, *text, 0);
		fputc('\n', out);
	}
	fprintf(out, "Commands:\n");
	for (const struct verb *v = p->verbs; v->name; v++)
		fprintf(out, "  %-13s %s\n", v->name, v->summary);
	fprintf(out, "  %-13s %s\n", "help", "Show this, or the help of a command");
	fprintf(out,
		"\nOptions:\n  -h, --help    Show this help.\n      --version Show the version.\n");
	fprintf(out, "\nSee %s COMMAND --help, and %s(%d).\n", p->name, p->name, p->section);
}

void help_verb(FILE *out, const struct program *p, const struct verb *v)
{
	const struct verb_option *o;

	fprintf(out, "Usage: %s %s %s\n\n", p->name, v->name, v->synopsis);
	for (const char *const *text = v->text; *text; text++) {
		wrap(out, *text, 0);
		fputc('\n', out);
	}
	fprintf(out, "Options:\n");
	for (unsigned i = 0; (o = verb_option_at(v, i)); i++) {
		char head[96];
		int n = 0;

		if (o->short_name)
			n = snprintf(head, sizeof(head), "-%c, ", o->short_name);
		else
			n = snprintf(head, sizeof(head), "    ");
		snprintf(head + n, sizeof(head) - n, "--%s%s%s", o->long_name,
			o->argument ? " " : "", o->argument ? o->argument : "");
		fprintf(out, "  %-24s ", head);
		if (strlen(head) > 24)
			fprintf(out, "\n%27s", "");
		wrap(out, o->text, 27);
	}
}
