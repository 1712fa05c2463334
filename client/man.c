/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the manual pages: man(7) source from the tables. Everything from a table passes put_text(),
 * which escapes what roff would understand and breaks the lines.
 */
#include <string.h>
#include "client/help.h"

#define MAN_DATE  "2026-11-20"
#define MAN_WIDTH 76

static const char *escape_of(char c)
{
	switch (c) {
	case '\\':
		return "\\e";
	case '-':
		return "\\-";
	case '\'':
		return "\\(aq";
	default:
		return NULL;
	}
}

static size_t word_width(const char *s, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		width += escape_of(s[i]) ? strlen(escape_of(s[i])) : 1;
	return width;
}

/* A word with what roff would understand made harmless. */
static void put_word(FILE *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (escape_of(s[i]))
			fputs(escape_of(s[i]), out);
		else
			fputc(s[i], out);
	}
}

static void put_text(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " "), width = word_width(text, n);
		/* A sentence ends its line, so that roff knows how much space comes behind it. */
		bool sentence = n > 1 && text[n - 1] == '.' && text[n] == ' ' &&
				text[n + 1] >= 'A' && text[n + 1] <= 'Z';

		if (column && column + 1 + width > MAN_WIDTH) {
			fputc('\n', out);
			column = 0;
		} else if (column) {
			fputc(' ', out);
			column++;
		}
		if (column == 0 && *text == '.')
			fputs("\\&", out);
		put_word(out, text, n);
		column += width;
		text += n;
		text += *text == ' ';
		if (sentence && *text) {
			fputc('\n', out);
			column = 0;
		}
	}
	fputc('\n', out);
}

static void put_head(FILE *out, const char *page, int section, const char *summary)
{
	fprintf(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH ");
	for (const char *s = page; *s; s++)
		fputc(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s, out);
	fprintf(out, " %d %s \"profd %s\"\n.SH NAME\n", section, MAN_DATE, PROFD_VERSION);
	put_word(out, page, strlen(page));
	fputs(" \\- ", out);
	put_word(out, summary, strlen(summary));
	fputc('\n', out);
}

static void put_synopsis(FILE *out, const struct program *p, const struct verb *v)
{
	fprintf(out, ".B %s %s\n", p->name, v->name);
	put_text(out, v->synopsis);
}

static void put_paragraphs(FILE *out, const char *const *text)
{
	for (size_t i = 0; text[i]; i++) {
		if (i)
			fputs(".PP\n", out);
		put_text(out, text[i]);
	}
}

static void put_options(FILE *out, const struct verb *v)
{
	const struct verb_option *o;

	for (unsigned i = 0; (o = verb_option_at(v, i)); i++) {
		fputs(".TP\n", out);
		if (o->short_name)
			fprintf(out, "\\fB\\-%c\\fR, ", o->short_name);
		fputs("\\fB\\-\\-", out);
		put_word(out, o->long_name, strlen(o->long_name));
		fputs("\\fR", out);
		if (o->argument) {
			fputs(" \\fI", out);
			put_word(out, o->argument, strlen(o->argument));
			fputs("\\fR", out);
		}
		fputc('\n', out);
		put_text(out, o->text);
	}
}

static void put_entries(FILE *out, const struct help_entry *e, bool client)
{
	for (; e->term; e++) {
		if (e->client && !client)
			continue;
		fprintf(out, ".TP\n.B %s\n", e->term);
		put_text(out, e->text);
	}
}

void man_program(FILE *out, const struct program *p, bool inline_verbs)
{
	put_head(out, p->name, p->section, p->summary);
	fprintf(out, ".SH SYNOPSIS\n.B %s\nCOMMAND [OPTIONS...]\n.SH DESCRIPTION\n", p->name);
	put_paragraphs(out, p->text);
	fputs(".SH COMMANDS\n", out);
	for (const struct verb *v = p->verbs; v->name; v++) {
		if (inline_verbs) {
			fprintf(out, ".SS %s\n", v->name);
			put_synopsis(out, p, v);
			fputs(".PP\n", out);
			put_paragraphs(out, v->text);
			put_options(out, v);
		} else {
			fprintf(out, ".TP\n.BR %s\\-%s (%d)\n%s.\n", p->name, v->name, p->section,
				v->summary);
		}
	}
	if (!inline_verbs)
		fprintf(out, ".TP\n.B help [COMMAND]\nShow the help of %s or of a command.\n",
			p->name);
	fputs(".SH OPTIONS\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nShow the help.\n"
	      ".TP\n.B \\-\\-version\nShow the version.\n.SH EXIT STATUS\n",
		out);
	put_entries(out, help_exit_codes, p->section == 1);
	fputs(".SH ENVIRONMENT\n", out);
	put_entries(out, help_environment, p->section == 1);
	fputs(".SH FILES\n.TP\n.I /run/profd/profd.sock\nThe daemon\\(aqs socket.\n", out);
	fprintf(out, ".SH SEE ALSO\n.BR %s\n",
		p->section == 8 ? "profctl (1),\n.BR profd.conf (5)" : "profd (8)");
}

void man_verb(FILE *out, const struct program *p, const struct verb *v)
{
	char page[64];

	snprintf(page, sizeof(page), "%s-%s", p->name, v->name);
	put_head(out, page, p->section, v->summary);
	fputs(".SH SYNOPSIS\n", out);
	put_synopsis(out, p, v);
	fputs(".SH DESCRIPTION\n", out);
	put_paragraphs(out, v->text);
	fputs(".SH OPTIONS\n", out);
	put_options(out, v);
	fprintf(out,
		".SH EXIT STATUS\nSee\n.BR %s (%d)%s\n.SH SEE ALSO\n.BR %s (%d),\n.BR profd (8)\n",
		p->name, p->section, strcmp(v->name, "record") ? "." : ", and above.", p->name,
		p->section);
}
