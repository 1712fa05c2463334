/* SPDX-License-Identifier: Apache-2.0 */
/* Owns what --help prints. */
#include <string.h>
#include "client/help.h"

#define HELP_WIDTH 79

const struct help_entry help_exit_codes[] = {
	{ "0", "Fine.", false },
	{ "1", "Failed.", false },
	{ "2", "Usage: an unknown word, option or value.", false },
	{ "4", "No such target.", false },
	{ "5", "No daemon.", false },
	{ "6", "Denied.", false },
	{ "7", "This kernel cannot.", false },
	{ "8", "Not collected, or empty.", false },
	{ "125", "record with a command: profctl itself failed.", true },
	{ "126", "record: the command cannot be executed.", true },
	{ "127", "record: the command was not found.", true },
	{ "128+N", "record: signal N ended the command.", true },
	{ NULL, NULL, false },
};

const struct help_entry help_environment[] = {
	{ "PROFD_SOCKET", "The daemon's socket, where --socket is not given.", false },
	{ "PROFD_DAEMON", "The daemon's program for record as root without a daemon.", true },
	{ "PAGER", "What shows long reports on a terminal; cat or an empty value: nothing does.",
		true },
	{ "NO_COLOR", "Where it is set and not empty, no colours are used.", true },
	{ "TERM", "dumb: no colours and no progress bar.", false },
	{ "TMPDIR", "Where a profile is saved whose own file could not be written.", false },
	{ NULL, NULL, false },
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
