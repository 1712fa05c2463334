/* SPDX-License-Identifier: Apache-2.0 */
/* Owns how profile types, thresholds and states are read from words. Pure. */
#include "client/wait_args.h"
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/clock.h"
#include "client/options.h"

#define THRESHOLD_MAX_NS (10 * NS_PER_SEC)

static const char *const states[] = {
#define X(id, name, ...) name,
	WAIT_STATES(X)
#undef X
		"all",
	NULL,
};

const char *const *wait_state_names(void)
{
	return states;
}

static const char *known_word(const char *word, size_t n, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == n && !strncmp(*words, word, n))
			return *words;
	return NULL;
}

/* Adds the words of a list with commas, each of `words`, where there is room for all of them. */
static int add_words(const char **to, size_t *n, const char *list, const char *what,
	const char *const *words, struct error *error)
{
	for (;;) {
		size_t length = strcspn(list, ",");
		const char *word = known_word(list, length, words);
		char wrong[64];
		bool there = false;

		if (!word) {
			snprintf(wrong, sizeof(wrong), "%.*s", (int)MIN(length, sizeof(wrong) - 1),
				list);
			return unknown_word(what, wrong, words, error);
		}
		for (size_t i = 0; i < *n; i++)
			there = there || to[i] == word;
		if (!there)
			to[(*n)++] = word;
		if (!list[length])
			return 1;
		list += length + 1;
	}
}

int type_args_add(struct type_args *t, const char *list, struct error *error)
{
	return add_words(t->names, &t->n, list, "profile type", profile_type_names(), error);
}

static uint32_t probes_of(const char *type)
{
	int found = profile_type_find(type);

	return found < 0 ? 0 : profile_type_info((enum profile_type)found)->probes;
}

uint32_t type_args_probes(const struct type_args *t)
{
	uint32_t probes = 0;

	for (size_t i = 0; i < t->n; i++)
		probes |= probes_of(t->names[i]);
	return probes;
}

bool type_has_states(const char *type)
{
	return probes_of(type) & (PROBE_WAITS | PROBE_UNLOCKS);
}

int wait_args_threshold(struct wait_args *w, const char *value, struct error *error)
{
	if (clock_parse_span(value, &w->threshold_ns) < 0 || w->threshold_ns > THRESHOLD_MAX_NS)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"bad --threshold '%.60s': a time from 0 to 10s is needed, such as 50us or "
			"1ms",
			value);
	w->has_threshold = true;
	return 1;
}

int wait_args_states(struct wait_args *w, const char *list, struct error *error)
{
	return add_words(w->states, &w->n_states, list, "state", states, error);
}

int wait_args_check(const struct wait_args *w, const struct type_args *t, struct error *error)
{
	const char *what = w->has_threshold ? "--threshold" : "--state";

	if ((!w->has_threshold && !w->n_states) ||
		(type_args_probes(t) & (PROBE_WAITS | PROBE_UNLOCKS)))
		return 0;
	return error_set(error, -EINVAL, EXIT_CODE_USAGE,
		"%s is about waiting, which %s is not about: give it with --type block, mutex, "
		"runq, offcpu or wall",
		what, t->names[0]);
}
