/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the way from main() to a verb, and back to an exit code. SIGPIPE is ignored: a reader that
 * left shows as EPIPE when standard output is flushed, after what must be undone was undone.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "client/commands.h"
#include "client/help.h"
#include "client/interrupt.h"
#include "client/options.h"
#include "client/progress.h"

static const struct program *running;

const char *program_name(void)
{
	return running ? running->name : "profctl";
}

const struct program *program_running(void)
{
	return running;
}

int complain(const struct error *e)
{
	progress_clear();
	fprintf(stderr, "%s: %s\n", program_name(), e->text);
	return e->code ? e->code : EXIT_CODE_FAILED;
}

/* Whoever read our standard output has closed it: `| head`, a pager that was left. */
static bool reader_left(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

int finish_stdout(int code)
{
	struct error error = ERROR_INIT;
	bool failed = ferror(stdout);

	/* What could not be written is still there: this tries again, and says why not. */
	errno = 0;
	failed = fflush(stdout) || failed;
	if (!failed || errno == EPIPE || reader_left() || code != EXIT_CODE_OK)
		return code;
	error_set(&error, -EIO, EXIT_CODE_FAILED, "cannot write standard output: %s",
		errno ? strerror(errno) : "some of it was lost");
	return complain(&error);
}

const struct verb *program_verb(const struct program *p, const char *verb)
{
	for (const struct verb *v = p->verbs; v->name; v++)
		if (!strcmp(v->name, verb))
			return v;
	return NULL;
}

int unexpected_operand(const struct verb *v, const char *word, struct error *error)
{
	return error_set(error, -EINVAL, EXIT_CODE_USAGE,
		"%s does not take '%.60s'; see %s %s --help", v->name, word, program_name(),
		v->name);
}

static int unknown_verb(const struct program *p, const char *word)
{
	struct error error = ERROR_INIT;
	const char *words[64];
	size_t n = 0;

	for (const struct verb *v = p->verbs; v->name && n < ARRAY_SIZE(words) - 2; v++)
		words[n++] = v->name;
	words[n++] = "help";
	words[n] = NULL;
	unknown_word(word[0] == '-' ? "option" : "command", word, words, &error);
	return complain(&error);
}

static int run_verb(const struct verb *v, const struct verb_run *runs, int argc, char **argv)
{
	if (v->run)
		return v->run(argc, argv);
	for (; runs && runs->name; runs++)
		if (!strcmp(runs->name, v->name))
			return runs->run(argc, argv);
	return EXIT_CODE_USAGE;
}

static int run_help(const struct program *p, int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2) {
		help_program(stdout, p);
		return EXIT_CODE_OK;
	}
	v = program_verb(p, argv[1]);
	if (!v)
		return unknown_verb(p, argv[1]);
	help_verb(stdout, p, v);
	return EXIT_CODE_OK;
}

/* Is --help among the options? Then nothing else counts, whatever it is. */
static bool asks_for_help(const struct verb *v, int argc, char **argv)
{
	struct options o = OPTIONS_INIT(v, argc, argv);
	int id;

	while ((id = options_next(&o, NULL)) != OPTION_END && !o.ended)
		if (id == OPTION_HELP)
			return true;
	return false;
}

int program_main(const struct program *p, const struct verb_run *runs, int argc, char **argv)
{
	const struct verb *v;

	running = p;
	interrupt_ignore_pipe();
	if (argc < 2) {
		help_program(stderr, p);
		return EXIT_CODE_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("%s %s\n", p->name, PROFD_VERSION);
		return finish_stdout(EXIT_CODE_OK);
	}
	if (!strcmp(argv[1], "help"))
		return finish_stdout(run_help(p, argc - 1, argv + 1));
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return finish_stdout(run_help(p, 1, argv));
	v = program_verb(p, argv[1]);
	if (!v)
		return unknown_verb(p, argv[1]);
	if (asks_for_help(v, argc - 1, argv + 1)) {
		help_verb(stdout, p, v);
		return finish_stdout(EXIT_CODE_OK);
	}
	return finish_stdout(run_verb(v, runs, argc - 1, argv + 1));
}
