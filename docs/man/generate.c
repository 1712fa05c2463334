/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generate FOLDER: writes the manual pages and completions of both programs into FOLDER, from the
 * tables that parse their command lines.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "client/help.h"

static FILE *create(const char *name)
{
	FILE *f = fopen(name, "we");

	if (!f) {
		fprintf(stderr, "generate: cannot write %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return f;
}

static void done(FILE *f, const char *name)
{
	if (ferror(f) || fclose(f)) {
		fprintf(stderr, "generate: cannot write %s\n", name);
		exit(1);
	}
}

static void write_completion(
	const struct program *p, const char *suffix, void (*write)(FILE *, const struct program *))
{
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "%s.%s", p->name, suffix);
	f = create(name);
	write(f, p);
	done(f, name);
}

static void write_program(const struct program *p, bool inline_verbs)
{
	char name[64];
	FILE *f;

	snprintf(name, sizeof(name), "%s.%d", p->name, p->section);
	f = create(name);
	man_program(f, p, inline_verbs);
	done(f, name);
	for (const struct verb *v = p->verbs; v->name && !inline_verbs; v++) {
		snprintf(name, sizeof(name), "%s-%s.%d", p->name, v->name, p->section);
		f = create(name);
		man_verb(f, p, v);
		done(f, name);
	}
	write_completion(p, "bash", completion_bash);
	write_completion(p, "zsh", completion_zsh);
	write_completion(p, "fish", completion_fish);
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: generate FOLDER\n");
		return 2;
	}
	write_program(&profctl_program, false);
	write_program(&profd_program, true);
	return 0;
}
