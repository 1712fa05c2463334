/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns how a command line is read. Knows no option: rows come from the verb. Long options are
 * written out in full: an abbreviation that works today would change its meaning with the next
 * option.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "client/options.h"

#define OPTIONS_MAX 64

const struct verb_option *verb_option_at(const struct verb *v, unsigned n)
{
	for (const struct verb_option *const *t = v->options; *t; t++)
		for (const struct verb_option *o = *t; o->id; o++)
			if (n-- == 0)
				return o;
	return NULL;
}

static const struct verb_option *find_long(const struct verb *v, const char *name, size_t n)
{
	const struct verb_option *o;

	for (unsigned i = 0; (o = verb_option_at(v, i)); i++)
		if (strlen(o->long_name) == n && !strncmp(o->long_name, name, n))
			return o;
	return NULL;
}

static const struct verb_option *find_short(const struct verb *v, char name)
{
	const struct verb_option *o;

	for (unsigned i = 0; (o = verb_option_at(v, i)); i++)
		if (o->short_name && o->short_name == name)
			return o;
	return NULL;
}

static int unknown_option(const struct verb *v, const char *word, size_t n, struct error *error)
{
	char names[OPTIONS_MAX][32];
	const char *words[OPTIONS_MAX + 1];
	char wrong[64], what[48];
	const struct verb_option *o;
	unsigned n_words = 0;

	for (; n_words < OPTIONS_MAX && (o = verb_option_at(v, n_words)); n_words++) {
		snprintf(names[n_words], sizeof(names[0]), "--%s", o->long_name);
		words[n_words] = names[n_words];
	}
	words[n_words] = NULL;
	snprintf(wrong, sizeof(wrong), "%.*s", (int)MIN(n, sizeof(wrong) - 1), word);
	snprintf(what, sizeof(what), "option of %s", v->name);
	return unknown_word(what, wrong, words, error);
}

static int take_value(struct options *o, const char *attached, struct error *error)
{
	o->value = NULL;
	if (!o->option->argument)
		return o->option->id;
	if (attached)
		o->value = attached;
	else if (o->at < o->argc)
		o->value = o->argv[o->at++];
	else
		return error_set(error, -EINVAL, EXIT_CODE_USAGE, "--%s needs a value: --%s %s",
			o->option->long_name, o->option->long_name, o->option->argument);
	return o->option->id;
}

static int next_short(struct options *o, struct error *error)
{
	char name = *o->cluster++;
	char word[3] = { '-', name, 0 };
	const char *rest = *o->cluster ? o->cluster : NULL;

	o->option = find_short(o->verb, name);
	if (!o->option) {
		o->cluster = NULL;
		return unknown_option(o->verb, word, 2, error);
	}
	if (o->option->argument || !rest)
		o->cluster = NULL;
	return take_value(o, rest, error);
}

static int next_long(struct options *o, const char *word, struct error *error)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);

	o->option = find_long(o->verb, word + 2, n - 2);
	if (!o->option)
		return unknown_option(o->verb, word, n, error);
	if (equals && !o->option->argument)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"--%s takes no value, but got '%s'", o->option->long_name, equals + 1);
	return take_value(o, equals ? equals + 1 : NULL, error);
}

int options_next(struct options *o, struct error *error)
{
	const char *word;

	o->value = NULL;
	o->option = NULL;
	if (o->cluster)
		return next_short(o, error);
	if (o->at >= o->argc)
		return OPTION_END;
	word = o->argv[o->at++];
	if (o->ended || word[0] != '-' || !word[1]) {
		o->value = word;
		return OPTION_OPERAND;
	}
	if (!strcmp(word, "--")) {
		o->ended = true;
		return options_next(o, error);
	}
	if (word[1] == '-')
		return next_long(o, word, error);
	o->cluster = word + 1;
	return next_short(o, error);
}

int parse_number(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
	struct error *error)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || v < min || v > max)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad %s '%.60s': a number from %llu to %llu is needed", what, text,
			(unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return 0;
}

int parse_duration(const char *text, const char *what, uint64_t *ret_ns, struct error *error)
{
	uint64_t ns;

	if (clock_parse_span(text, &ns) < 0 || ns == 0)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad %s '%.60s': a time such as 30, 1.5s, 2min is needed", what, text);
	*ret_ns = ns;
	return 0;
}
