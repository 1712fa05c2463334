/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns shell completion: scripts for bash, zsh and fish from the tables. What an argument can be is
 * read off its name: "auto|fp" are its words, FILE and PATH are files, PID is a process, TYPE a
 * profile
 * type, STATE a state of a thread.
 */
#include <string.h>
#include "client/commands.h"
#include "client/help.h"
#include "client/wait_args.h"

enum kind { KIND_NONE, KIND_WORDS, KIND_FILE, KIND_PID, KIND_NAMES };

static const char *const *names_of(const struct verb_option *o)
{
	if (!strncmp(o->argument, "TYPE", 4))
		return profile_type_names();
	return strncmp(o->argument, "STATE", 5) ? NULL : wait_state_names();
}

static enum kind kind_of(const struct verb_option *o)
{
	if (!o->argument)
		return KIND_NONE;
	if (strchr(o->argument, '|'))
		return KIND_WORDS;
	if (!strncmp(o->argument, "FILE", 4) || !strncmp(o->argument, "PATH", 4))
		return KIND_FILE;
	if (!strncmp(o->argument, "PID", 3))
		return KIND_PID;
	return names_of(o) ? KIND_NAMES : KIND_NONE;
}

/* The words an argument can be, with a space between. */
static void put_words(FILE *out, const struct verb_option *o)
{
	char word[32];

	if (kind_of(o) == KIND_NAMES)
		for (const char *const *name = names_of(o); *name; name++)
			fprintf(out, "%s%s", name == names_of(o) ? "" : " ", *name);
	else
		for (unsigned i = 0; option_word(o, i, word, sizeof(word)); i++)
			fprintf(out, "%s%s", i ? " " : "", word);
}

/* Text between single quotes; zsh's brackets and colons are escaped as well. */
static void put_quoted(FILE *out, const char *s, bool zsh)
{
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", out);
		else if (zsh && strchr("[]:", *s))
			fprintf(out, "\\%c", *s);
		else
			fputc(*s, out);
	}
}

static bool takes_files(const struct verb *v)
{
	return !strncmp(v->synopsis, "FILE", 4) || !strncmp(v->synopsis, "IN", 2);
}

static void bash_values(FILE *out, const struct verb *v)
{
	const struct verb_option *o;

	fprintf(out, "\t\tcase \"$prev\" in\n");
	for (unsigned n = 0; (o = verb_option_at(v, n)); n++) {
		if (!o->argument)
			continue;
		fprintf(out, "\t\t--%s", o->long_name);
		if (o->short_name)
			fprintf(out, " | -%c", o->short_name);
		fputs(")\n", out);
		switch (kind_of(o)) {
		case KIND_FILE:
			fputs("\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n", out);
			break;
		case KIND_PID:
			fputs("\t\t\tmapfile -t COMPREPLY < <(cd /proc && compgen -G "
			      "\"${cur}[0-9]*\"; compgen -G \"$cur\")\n",
				out);
			break;
		case KIND_WORDS:
		case KIND_NAMES:
			fputs("\t\t\tmapfile -t COMPREPLY < <(compgen -W \"", out);
			put_words(out, o);
			fputs("\" -- \"$cur\")\n", out);
			break;
		case KIND_NONE:
			break;
		}
		fputs("\t\t\treturn\n\t\t\t;;\n", out);
	}
	fputs("\t\tesac\n", out);
}

void completion_bash(FILE *out, const struct program *p)
{
	const struct verb_option *o;

	fprintf(out,
		"# SPDX-License-Identifier: Apache-2.0\n# bash completion of %s\n_%s() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} "
		"i\n\tCOMPREPLY=()\n"
		"\tif ((COMP_CWORD == 1)) || { ((COMP_CWORD == 2)) && [[ $prev == help ]]; }; "
		"then\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -W \"",
		p->name, p->name);
	for (const struct verb *v = p->verbs; v->name; v++)
		fprintf(out, "%s ", v->name);
	fputs("help --help --version\" -- \"$cur\")\n\t\treturn\n\tfi\n"
	      "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	      "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
	      "\t\t\tdeclare -F _command_offset >/dev/null && _command_offset $((i + 1))\n"
	      "\t\t\treturn\n\t\tfi\n\tdone\n\tcase \"${COMP_WORDS[1]}\" in\n",
		out);
	for (const struct verb *v = p->verbs; v->name; v++) {
		fprintf(out, "\t%s)\n", v->name);
		bash_values(out, v);
		fputs("\t\tif [[ $cur == -* ]]; then\n\t\t\tmapfile -t COMPREPLY < <(compgen -W \"",
			out);
		for (unsigned n = 0; (o = verb_option_at(v, n)); n++) {
			fprintf(out, "--%s ", o->long_name);
			if (o->short_name)
				fprintf(out, "-%c ", o->short_name);
		}
		fputs("\" -- \"$cur\")\n", out);
		if (takes_files(v))
			fputs("\t\telse\n\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n",
				out);
		fputs("\t\tfi\n\t\t;;\n", out);
	}
	fprintf(out, "\tesac\n}\ncomplete -o filenames -F _%s %s\n", p->name, p->name);
}

static void zsh_option(FILE *out, const struct verb_option *o)
{
	static const char *const actions[] = { [KIND_FILE] = "_files", [KIND_PID] = "_pids" };
	enum kind kind = kind_of(o);

	fputs(" \\\n\t\t\t'", out);
	if (o->short_name)
		fprintf(out, "(-%c --%s)'{-%c,--%s}'", o->short_name, o->long_name, o->short_name,
			o->long_name);
	else
		fprintf(out, "--%s", o->long_name);
	fputc('[', out);
	put_quoted(out, o->text, true);
	fputc(']', out);
	if (o->argument) {
		fputc(':', out);
		put_quoted(out, o->argument, true);
		fputc(':', out);
		if (kind == KIND_WORDS || kind == KIND_NAMES) {
			fputc('(', out);
			put_words(out, o);
			fputc(')', out);
		} else if (kind != KIND_NONE) {
			fputs(actions[kind], out);
		} else {
			fputc(' ', out);
		}
	}
	fputc('\'', out);
}

void completion_zsh(FILE *out, const struct program *p)
{
	const struct verb_option *o;

	fprintf(out,
		"#compdef %s\n# SPDX-License-Identifier: Apache-2.0\n_%s() {\n\tlocal -a commands\n"
		"\tcommands=(\n",
		p->name, p->name);
	for (const struct verb *v = p->verbs; v->name; v++) {
		fprintf(out, "\t\t'%s:", v->name);
		put_quoted(out, v->summary, true);
		fputs("'\n", out);
	}
	fputs("\t\t'help:Show the help of a command'\n\t)\n\tif ((CURRENT == 2)) || [[ $words[2] "
	      "== help ]]; then\n"
	      "\t\t_describe command commands\n\t\treturn\n\tfi\n"
	      "\tlocal verb=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $verb in\n",
		out);
	for (const struct verb *v = p->verbs; v->name; v++) {
		fprintf(out, "\t%s)\n\t\t_arguments -s", v->name);
		for (unsigned n = 0; (o = verb_option_at(v, n)); n++)
			zsh_option(out, o);
		if (takes_files(v))
			fputs(" \\\n\t\t\t'*:file:_files'", out);
		else if (strstr(v->synopsis, "COMMAND"))
			fputs(" \\\n\t\t\t'*::command:_normal'", out);
		else if (strstr(v->synopsis, "TARGET"))
			fputs(" \\\n\t\t\t'*:pid:_pids'", out);
		fputs("\n\t\t;;\n", out);
	}
	fprintf(out, "\tesac\n}\n_%s \"$@\"\n", p->name);
}

void completion_fish(FILE *out, const struct program *p)
{
	const struct verb_option *o;

	fprintf(out, "# SPDX-License-Identifier: Apache-2.0\ncomplete -c %s -f\n", p->name);
	for (const struct verb *v = p->verbs; v->name; v++) {
		fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d '", p->name,
			v->name);
		put_quoted(out, v->summary, false);
		fputs("'\n", out);
	}
	fprintf(out,
		"complete -c %s -n __fish_use_subcommand -a help -d 'Show the help of a command'\n"
		"complete -c %s -n __fish_use_subcommand -l version -d 'Show the version'\n",
		p->name, p->name);
	for (const struct verb *v = p->verbs; v->name; v++) {
		char condition[64];

		snprintf(condition, sizeof(condition), "'__fish_seen_subcommand_from %s'", v->name);
		for (unsigned n = 0; (o = verb_option_at(v, n)); n++) {
			enum kind kind = kind_of(o);

			fprintf(out, "complete -c %s -n %s -l %s", p->name, condition,
				o->long_name);
			if (o->short_name)
				fprintf(out, " -s %c", o->short_name);
			if (o->argument)
				fputs(kind == KIND_FILE ? " -r -F" : " -x", out);
			if (kind == KIND_WORDS || kind == KIND_NAMES) {
				fputs(" -a '", out);
				put_words(out, o);
				fputc('\'', out);
			} else if (kind == KIND_PID) {
				fputs(" -a '(__fish_complete_pids)'", out);
			}
			fputs(" -d '", out);
			put_quoted(out, o->text, false);
			fputs("'\n", out);
		}
		if (takes_files(v))
			fprintf(out, "complete -c %s -n %s -F\n", p->name, condition);
	}
}
