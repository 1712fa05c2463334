/* SPDX-License-Identifier: Apache-2.0 */
/* Help, manual pages and completion say what is parsed, all of it and nothing else. */
#include "fake_daemon.h"
#include "client/help.h"
#include "client/options.h"

static const struct program *const programs[] = { &profctl_program, &profd_program };

static int setup(void **state)
{
	*state = fake_new();
	return 0;
}

static int teardown(void **state)
{
	fake_free(*state);
	return 0;
}

/* A value that the option takes. */
static const char *value_for(const struct verb_option *o)
{
	static char word[32];

	switch (o->id) {
	case OPTION_PID:
		return "1";
	case OPTION_TYPE:
		return "cpu";
	case OPTION_EXE:
		return "/bin/true";
	case OPTION_FREQ:
	case OPTION_LINES:
		return "10";
	case OPTION_DURATION:
	case OPTION_SECONDS:
	case OPTION_INTERVAL:
		return "1s";
	case OPTION_SINCE:
		return "5m";
	case OPTION_THRESHOLD:
		return "50us";
	case OPTION_STATE:
		return "mutex,futex";
	case OPTION_UNTIL:
		return "now";
	case OPTION_MIN_WIDTH:
	case OPTION_FAIL_ON:
		return "5%";
	case OPTION_EVENT:
		return "cpu-clock";
	case OPTION_OUTPUT:
		return "/tmp/x.svg";
	default:
		return option_word(o, 0, word, sizeof(word)) ? word : "x";
	}
}

/* Every documented option is parsed: the verb gets as far as its daemon or its file. */
static void every_documented_option_is_understood(void **state)
{
	const struct verb_option *o;

	(void)state;
	for (const struct verb *v = profctl_program.verbs; v->name; v++) {
		bool file = !strcmp(v->name, "report") || !strcmp(v->name, "convert") ||
			    !strcmp(v->name, "flame") || !strcmp(v->name, "diff") ||
			    !strcmp(v->name, "merge");

		for (unsigned i = 0; (o = verb_option_at(v, i)); i++) {
			char *argv[14] = { (char *)"profctl", (char *)v->name };
			char word[64];
			int n = 2, expected = file ? EXIT_CODE_FAILED : EXIT_CODE_NO_DAEMON;
			struct run r;

			if (o->id == OPTION_SOCKET)
				expected = EXIT_CODE_NO_DAEMON;
			if (o->id == OPTION_HELP)
				expected = EXIT_CODE_OK;
			snprintf(word, sizeof(word), "--%s%s%s", o->long_name,
				o->argument ? "=" : "", o->argument ? value_for(o) : "");
			argv[n++] = word;
			if ((o->id == OPTION_FREQ || o->id == OPTION_THRESHOLD) &&
				!strcmp(v->name, "dump"))
				argv[n++] = (char *)"--seconds=1";
			if (o->id == OPTION_THRESHOLD || o->id == OPTION_STATE)
				argv[n++] = (char *)"--type=block";
			if (o->id == OPTION_FORMAT && !strcmp(v->name, "attach"))
				argv[n++] = (char *)"--duration=1";
			argv[n++] = (char *)(file ? "/nonexistent" : "1");
			if (!strcmp(v->name, "diff"))
				argv[n++] = (char *)"/nonexistent";
			if (!strcmp(v->name, "record")) {
				/* Root would start a daemon of its own; there is none at this path.
				 */
				setenv("PROFD_DAEMON", "/nonexistent", 1);
			} else if (!strcmp(v->name, "ps") || !strcmp(v->name, "status")) {
				n--;
				argv[n] = NULL;
			} else if (!strcmp(v->name, "serve")) {
				/* It would serve until it is told to end: not at this address. */
				argv[n - 1] = (char *)"--listen=nowhere:x";
				if (o->id != OPTION_HELP)
					expected = EXIT_CODE_USAGE;
			}
			run_start(&r, argv);
			if (run_end(&r) != expected)
				fail_msg("%s %s: exit %d: %s", v->name, word, r.code, r.err);
			run_free(&r);
		}
	}
	unsetenv("PROFD_DAEMON");
}

static void an_option_has_one_meaning_in_a_verb(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		for (const struct verb *v = programs[p]->verbs; v->name; v++) {
			const struct verb_option *a, *b;

			for (unsigned i = 0; (a = verb_option_at(v, i)); i++) {
				for (unsigned j = i + 1; (b = verb_option_at(v, j)); j++) {
					assert_string_not_equal(a->long_name, b->long_name);
					assert_int_not_equal(a->id, b->id);
					assert_false(
						a->short_name && a->short_name == b->short_name);
				}
			}
		}
	}
}

/* A letter or a word means the same in every verb of both programs. */
static void an_option_means_the_same_everywhere(void **state)
{
	char letters[OPTION_IDS] = { 0 };
	const char *names[OPTION_IDS] = { 0 };

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		for (const struct verb *v = programs[p]->verbs; v->name; v++) {
			const struct verb_option *o;

			for (unsigned i = 0; (o = verb_option_at(v, i)); i++) {
				if (names[o->id]) {
					assert_string_equal(names[o->id], o->long_name);
					assert_int_equal(letters[o->id], o->short_name);
				}
				names[o->id] = o->long_name;
				letters[o->id] = o->short_name;
			}
		}
	}
}

static void text_of(void (*write)(FILE *, const struct program *, const struct verb *),
	const struct program *p, const struct verb *v, char **ret)
{
	size_t n;
	FILE *f = open_memstream(ret, &n);

	assert_non_null(f);
	write(f, p, v);
	fclose(f);
}

/* How often `\fB\-\-NAME\fR` or `--NAME ` begins an option's entry in the text. */
static unsigned entries(const char *text, const char *mark)
{
	unsigned n = 0;

	for (const char *s = text; (s = strstr(s, mark)); s += strlen(mark))
		n++;
	return n;
}

static void help_names_every_option_once(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		for (const struct verb *v = programs[p]->verbs; v->name; v++) {
			char *text = NULL;

			text_of(help_verb, programs[p], v, &text);
			const char *options = strstr(text, "Options:\n");
			const struct verb_option *o;
			unsigned n = 0;

			assert_non_null(options);
			for (; (o = verb_option_at(v, n)); n++) {
				char mark[64];

				snprintf(mark, sizeof(mark), "  %c%c%c --%s%c",
					o->short_name ? '-' : ' ',
					o->short_name ? o->short_name : ' ',
					o->short_name ? ',' : ' ', o->long_name, ' ');
				assert_int_equal(entries(options, mark), 1);
			}
			assert_int_equal(
				entries(options, "\n  -") + entries(options, "\n      --"), n);
			free(text);
		}
	}
}

static void man_names_every_option_once(void **state)
{
	(void)state;
	for (const struct verb *v = profctl_program.verbs; v->name; v++) {
		char *text = NULL;

		text_of(man_verb, &profctl_program, v, &text);
		const char *options = strstr(text, ".SH OPTIONS\n"),
			   *end = strstr(text, ".SH EXIT STATUS\n");
		const struct verb_option *o;
		unsigned n = 0;

		assert_true(options && end);
		text[end - text] = 0;
		for (; (o = verb_option_at(v, n)); n++) {
			char mark[96] = "\\fB\\-\\-";
			size_t at = strlen(mark);

			for (const char *s = o->long_name; *s; s++) {
				if (*s == '-')
					mark[at++] = '\\';
				mark[at++] = *s;
			}
			strcpy(mark + at, "\\fR");
			assert_int_equal(entries(options, mark), 1);
		}
		assert_int_equal(entries(options, ".TP\n"), n);
		free(text);
	}
}

static void write_page(const char *path, const struct program *p, const struct verb *v)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	if (v)
		man_verb(f, p, v);
	else
		man_program(f, p, p->section == 8);
	fclose(f);
}

static void mandoc_has_nothing_to_say(void **state)
{
	(void)state;
	if (system("command -v mandoc >/dev/null") != 0)
		skip();
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		write_page("page", programs[p], NULL);
		assert_int_equal(system("mandoc -Tlint -Wstyle page >&2"), 0);
	}
	for (const struct verb *v = profctl_program.verbs; v->name; v++) {
		write_page("page", &profctl_program, v);
		assert_int_equal(system("mandoc -Tlint -Wstyle page >&2"), 0);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What bash offers for the words, sorted, one a line. */
static char *bash_offers(const char *program, const char *words, int at)
{
	char command[512], *text;
	size_t n;

	snprintf(command, sizeof(command),
		"bash -c '. ./completion; COMP_WORDS=(%s %s); COMP_CWORD=%d; _%s; "
		"printf \"%%s\\n\" \"${COMPREPLY[@]}\"' | LC_ALL=C sort >offers",
		program, words, at, program);
	assert_int_equal(system(command), 0);
	assert_int_equal(io_read_file(AT_FDCWD, "offers", 1 << 16, &text, &n), 0);
	return text;
}

static void bash_offers_the_options_of_each_verb(void **state)
{
	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
		FILE *f = fopen("completion", "w");

		completion_bash(f, programs[p]);
		fclose(f);
		for (const struct verb *v = programs[p]->verbs; v->name; v++) {
			char words[64], expected[2048] = "", *offers, *names[64];
			const struct verb_option *o;
			char rooms[64][32];
			unsigned n = 0;

			for (; (o = verb_option_at(v, n)); n++) {
				snprintf(rooms[n], sizeof(rooms[n]), "--%s\n", o->long_name);
				names[n] = rooms[n];
			}
			qsort(names, n, sizeof(names[0]), compare);
			for (unsigned i = 0; i < n; i++)
				strcat(expected, names[i]);
			snprintf(words, sizeof(words), "%s --", v->name);
			offers = bash_offers(programs[p]->name, words, 2);
			assert_string_equal(offers, expected);
			free(offers);
		}
	}
}

static void bash_offers_verbs_and_the_values_of_options(void **state)
{
	FILE *f = fopen("completion", "w");
	char *offers;

	(void)state;
	completion_bash(f, &profctl_program);
	fclose(f);
	offers = bash_offers("profctl", "d", 1);
	assert_string_equal(offers, "detach\ndiff\ndump\n");
	free(offers);
	offers = bash_offers("profctl", "help re", 2);
	assert_string_equal(offers, "record\nreport\n");
	free(offers);
	offers = bash_offers("profctl", "dump -f \"\"", 3);
	assert_string_equal(
		offers, "dot\nfolded\nhtml\njson\nperf-script\npprof\nspeedscope\nsvg\ntext\n");
	free(offers);
	offers = bash_offers("profctl", "record --type \"\"", 3);
	assert_string_equal(offers, "block\ncpu\nmutex\noffcpu\nrunq\nthreadcreate\nwall\n");
	free(offers);
	offers = bash_offers("profctl", "dump --state r", 3);
	assert_string_equal(offers, "runnable\nrunning\nruntime-lock\nrwlock\n");
	free(offers);
}

static void help_goes_to_standard_output_and_usage_to_standard_error(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(RUN(&r, "--help"), 0);
	assert_non_null(strstr(r.out, "Commands:"));
	assert_int_equal(r.err_n, 0);
	run_free(&r);
	assert_int_equal(RUN(&r, NULL), 2);
	assert_int_equal(r.out_n, 0);
	assert_non_null(strstr(r.err, "Commands:"));
	run_free(&r);
	assert_int_equal(RUN(&r, "help", "dump"), 0);
	assert_non_null(strstr(r.out, "Usage: profctl dump"));
	run_free(&r);
	assert_int_equal(RUN(&r, "help", "dmup"), 2);
	assert_one_line(&r, "did you mean 'dump'");
	run_free(&r);
	assert_int_equal(RUN(&r, "record", "--help"), 0);
	assert_non_null(strstr(r.out, "Usage: profctl record"));
	run_free(&r);
	assert_int_equal(RUN(&r, "--version"), 0);
	assert_string_equal(r.out, "profctl " PROFD_VERSION "\n");
	run_free(&r);
}

/* --help behind -- is the command's. */
static void help_of_the_command_is_not_ours(void **state)
{
	struct run r;

	(void)state;
	setenv("PROFD_DAEMON", "/nonexistent", 1);
	assert_int_equal(RUN(&r, "record", "--", "ls", "--help"), EXIT_CODE_RECORD_FAILED);
	assert_int_equal(r.out_n, 0);
	run_free(&r);
	unsetenv("PROFD_DAEMON");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(every_documented_option_is_understood),
		TEST(an_option_has_one_meaning_in_a_verb),
		TEST(an_option_means_the_same_everywhere),
		TEST(help_names_every_option_once),
		TEST(man_names_every_option_once),
		TEST(mandoc_has_nothing_to_say),
		TEST(bash_offers_the_options_of_each_verb),
		TEST(bash_offers_verbs_and_the_values_of_options),
		TEST(help_goes_to_standard_output_and_usage_to_standard_error),
		TEST(help_of_the_command_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
