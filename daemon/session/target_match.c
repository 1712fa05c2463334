/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns what can be asked of a target that is made: is it empty, is it the same, how would a user
 * write it, does this process belong to it. Pure; it trusts the spec and nothing of the candidate,
 * whose comm, path and cgroup are hostile strings.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "session/target.h"

bool target_spec_empty(const struct target_spec *t)
{
	return !t->all && t->n_pids == 0 && t->n_comms == 0 && t->n_exes == 0 &&
	       t->n_cgroups == 0 && t->n_units == 0 && t->n_below == 0;
}

static bool has_string(char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], s) == 0)
			return true;
	return false;
}

/* As sets: order and doubles do not matter. */
static bool same_strings(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
	for (size_t i = 0; i < n_a; i++)
		if (!has_string(b, n_b, a[i]))
			return false;
	for (size_t i = 0; i < n_b; i++)
		if (!has_string(a, n_a, b[i]))
			return false;
	return true;
}

static bool same_pids(
	const struct target_pid *a, size_t n_a, const struct target_pid *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (a[i].pid != b[i].pid)
			return false;
	return true;
}

bool target_spec_equal(const struct target_spec *a, const struct target_spec *b)
{
	return a->all == b->all && a->no_children == b->no_children &&
	       same_pids(a->pids, a->n_pids, b->pids, b->n_pids) &&
	       same_pids(a->below, a->n_below, b->below, b->n_below) &&
	       same_strings(a->comms, a->n_comms, b->comms, b->n_comms) &&
	       same_strings(a->exes, a->n_exes, b->exes, b->n_exes) &&
	       same_strings(a->cgroups, a->n_cgroups, b->cgroups, b->n_cgroups) &&
	       same_strings(a->units, a->n_units, b->units, b->n_units);
}

/* ---- as the user would write it -------------------------------------------------------------- */

static void put_pids(FILE *f, const char *option, const struct target_pid *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%u", i == 0 ? option : ",", list[i].pid);
}

static void put_strings(FILE *f, const char *option, char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* Quoted where a shell would not take the word as it is. */
		bool plain = !strpbrk(list[i], " \t\"'`$&|;<>()*?[]\\#~!{}");
		if (plain) {
			fprintf(f, "%s%s", option, list[i]);
			continue;
		}
		fprintf(f, "%s'", option);
		for (const char *c = list[i]; *c; c++)
			fprintf(f, *c == '\'' ? "'\\''" : "%c", *c);
		fputc('\'', f);
	}
}

char *target_spec_format(const struct target_spec *t)
{
	char *text = NULL;
	size_t n;

	FILE *f = open_memstream(&text, &n);
	if (!f)
		return NULL;
	if (t->all)
		fputs(" --all", f);
	put_pids(f, " --pid ", t->pids, t->n_pids);
	put_strings(f, " --comm ", t->comms, t->n_comms);
	put_strings(f, " --exe ", t->exes, t->n_exes);
	put_strings(f, " --cgroup ", t->cgroups, t->n_cgroups);
	put_strings(f, " --unit ", t->units, t->n_units);
	put_pids(f, " --below ", t->below, t->n_below);
	if (t->no_children)
		fputs(" --no-children", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	if (text[0] == ' ')
		memmove(text, text + 1, n);
	return text;
}

/* ---- matching -------------------------------------------------------------------------------- */

static bool descends_from(const struct target_candidate *c, const struct target_pid *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].pid == c->pid || (c->descends && c->descends(c->userdata, list[i].pid)))
			return true;
	return false;
}

static bool is_one_of(const struct target_candidate *c, const struct target_pid *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].pid == c->pid)
			return true;
	return false;
}

/* "/a" holds "/a" and "/a/b", not "/ab"; "/" holds everything. */
static bool cgroup_holds(const char *outer, const char *inner)
{
	size_t n = strlen(outer);

	if (n == 1 && outer[0] == '/')
		return inner[0] == '/';
	return strncmp(inner, outer, n) == 0 && (inner[n] == '/' || !inner[n]);
}

static bool component_is(const char *part, size_t n, const char *name, const char *suffix)
{
	size_t name_n = strlen(name), suffix_n = strlen(suffix);

	return n == name_n + suffix_n && memcmp(part, name, name_n) == 0 &&
	       memcmp(part + name_n, suffix, suffix_n) == 0;
}

static bool is_slice(const char *part, size_t n)
{
	return n > 6 && memcmp(part + n - 6, ".slice", 6) == 0;
}

/* The unit of a cgroup is the first component behind the slices; what is below it is the unit's own
 * (a user may name cgroups that were delegated to it as it likes). A slice holds all that is in it.
 */
static bool unit_holds(const char *unit, const char *cgroup)
{
	for (const char *part = cgroup; *part == '/';) {
		size_t n = strcspn(++part, "/");
		if (component_is(part, n, unit, "") || component_is(part, n, unit, ".service"))
			return true;
		if (!is_slice(part, n))
			return false;
		part += n;
	}
	return false;
}

static bool strings_match(const struct target_spec *t, const struct target_candidate *c)
{
	for (size_t i = 0; c->comm && i < t->n_comms; i++)
		if (fnmatch(t->comms[i], c->comm, 0) == 0)
			return true;
	for (size_t i = 0; c->exe && i < t->n_exes; i++)
		if (strcmp(t->exes[i], c->exe) == 0)
			return true;
	for (size_t i = 0; c->cgroup && i < t->n_cgroups; i++)
		if (cgroup_holds(t->cgroups[i], c->cgroup))
			return true;
	for (size_t i = 0; c->cgroup && i < t->n_units; i++)
		if (unit_holds(t->units[i], c->cgroup))
			return true;
	return false;
}

bool target_spec_matches(const struct target_spec *t, const struct target_candidate *c)
{
	if (t->n_below > 0 && !descends_from(c, t->below, t->n_below))
		return false;
	bool only_below = !t->all && t->n_pids == 0 && t->n_comms == 0 && t->n_exes == 0 &&
			  t->n_cgroups == 0 && t->n_units == 0;
	if (t->all || only_below)
		return t->all || t->n_below > 0;
	if (t->no_children ? is_one_of(c, t->pids, t->n_pids)
			   : descends_from(c, t->pids, t->n_pids))
		return true;
	return strings_match(t, c);
}
