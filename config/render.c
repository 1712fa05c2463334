/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what the table of configuration keys says as text: `render conf` the shipped profd.conf,
 * `render man TEMPLATE` profd.conf(5), with the keys in the place of TEMPLATE's line "@KEYS@".
 */
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "service/config.h"

#define CONF_COLUMNS 78

/* Words of text, folded, each line behind "# ". */
static void put_comment(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column && column + 1 + n > CONF_COLUMNS) {
			printf("\n");
			column = 0;
		}
		printf("%s%.*s", column ? " " : "# ", (int)n, text);
		column += n + (column ? 1 : 2);
		text += n;
		text += strspn(text, " ");
	}
	printf("\n");
}

static void render_conf(void)
{
	const char *section = "";
	size_t n;
	const struct config_key *keys = config_keys(&n);

	put_comment("Configuration of profd, see profd.conf(5). Each key stands here with its "
		    "default. To "
		    "change one, take away its '#', or better put section and key into a file of "
		    "your own, "
		    "/etc/profd/profd.conf.d/NAME.conf.");
	for (const struct config_key *k = keys; k < keys + n; k++) {
		char range[160];

		if (strcmp(section, k->section)) {
			printf("\n[%s]\n", k->section);
			section = k->section;
		} else {
			printf("\n");
		}
		put_comment(k->text);
		(void)snprintf(range, sizeof(range), "Allowed: %s (%s).", k->range, k->unit);
		put_comment(range);
		printf("#%s=%s\n", k->key, k->fallback);
	}
}

/* Text of the table in mdoc: a sentence begins a line, long ones are folded, no line is a request.
 */
static void put_sentences(const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");
		bool sentence_ends = text[n - 1] == '.';

		if (column && column + 1 + n > CONF_COLUMNS) {
			printf("\n");
			column = 0;
		}
		printf("%s%s%.*s", column ? " " : "", !column && strchr(".'", *text) ? "\\&" : "",
			(int)n, text);
		column += n + (column ? 1 : 0);
		text += n;
		text += strspn(text, " ");
		if (sentence_ends && *text) {
			printf("\n");
			column = 0;
		}
	}
	printf("\n");
}

static void render_keys(void)
{
	const char *section = "";
	size_t n;
	const struct config_key *keys = config_keys(&n);

	for (const struct config_key *k = keys; k < keys + n; k++) {
		if (strcmp(section, k->section)) {
			printf("%s.Ss [%s] section\n.Bl -tag -width Ds\n", *section ? ".El\n" : "",
				k->section);
			section = k->section;
		}
		printf(".It Ic %s Ns = Ns Ar %s\n", k->key, k->unit);
		put_sentences(k->text);
		printf("Allowed:\n.Li \"%s\" .\n", k->range);
		printf("Default:\n.Li \"%s\" .\n", k->fallback);
	}
	printf(".El\n");
}

static int render_man(const char *path)
{
	_cleanup_fclose_ FILE *template = fopen(path, "re");
	char line[512];

	if (!template) {
		perror(path);
		return 1;
	}
	while (fgets(line, sizeof(line), template)) {
		if (!strcmp(line, "@KEYS@\n"))
			render_keys();
		else
			fputs(line, stdout);
	}
	return ferror(template) ? 1 : 0;
}

int main(int argc, char **argv)
{
	int r = 0;

	if (argc == 2 && !strcmp(argv[1], "conf")) {
		render_conf();
	} else if (argc == 3 && !strcmp(argv[1], "man")) {
		r = render_man(argv[2]);
	} else {
		fprintf(stderr, "usage: %s conf | man TEMPLATE\n", argv[0]);
		return 2;
	}
	if (fflush(stdout) || ferror(stdout))
		return 1;
	return r;
}
