/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the lines below a table about frames without a name: a function of the name "",
 * "module+0x..." or "[module]", or none at all. Shares are of the samples' values; a sample counts
 * once for each module in which it has such a frame.
 */
#include "view/unnamed.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/unit.h"

#define MAX_MODULES 8U

struct module {
	uint32_t file, build_id; /* strings */
	uint32_t seen;		 /* the last stack + 1 that was counted */
	int64_t flat, cum;
};

/* By location: whether any line is unnamed, and whether the innermost one is. */
enum { ANY = 1, INNERMOST = 2 };

static uint8_t judge(const struct profile *p, uint32_t location, const uint8_t *unnamed_functions)
{
	uint32_t n;
	const struct profile_line *lines = profile_lines(p, location, &n);
	uint8_t v = n ? 0 : ANY | INNERMOST;

	for (uint32_t i = 0; i < n; i++)
		if (unnamed_functions[lines[i].function])
			v |= i ? ANY : ANY | INNERMOST;
	return v;
}

static uint8_t *judge_locations(const struct profile *p)
{
	_cleanup_free_ uint8_t *functions = calloc(p->functions.n + 1, 1);
	uint8_t *locations = calloc(p->locations.n + 1, 1);

	if (!functions || !locations) {
		free(locations);
		return NULL;
	}
	for (size_t i = 0; i < p->functions.n; i++) {
		const struct profile_function *f =
			ARRAY_AT(&p->functions, struct profile_function, i);
		const char *name = profile_text(p, f->name);
		functions[i] = frame_is_unnamed(*name ? name : profile_text(p, f->system_name));
	}
	for (size_t i = 0; i < p->locations.n; i++)
		locations[i] = judge(p, (uint32_t)i, functions);
	return locations;
}

/* Mappings of one file and build id are one module; modules[n] is for no mapping. */
static void group_mappings(const struct profile *p, uint32_t *group, struct module *modules)
{
	for (uint32_t i = 0; i < p->mappings.n; i++) {
		const struct profile_mapping *m = ARRAY_AT(&p->mappings, struct profile_mapping, i);
		modules[i].file = m->file;
		modules[i].build_id = m->build_id;
		group[i] = i;
		/* Same files are near each other; a far one only costs a line more. */
		for (uint32_t k = i, tries = 0; k-- > 0 && tries < 64; tries++)
			if (modules[group[k]].file == m->file &&
				modules[group[k]].build_id == m->build_id) {
				group[i] = group[k];
				break;
			}
	}
	group[p->mappings.n] = (uint32_t)p->mappings.n;
}

static void count(const struct graph *g, const uint8_t *unnamed, const uint32_t *group,
	struct module *modules, struct module *all)
{
	const struct profile *p = g->profile;

	for (size_t s = 0; s < p->stacks.n; s++) {
		int64_t w = unit_abs(*ARRAY_AT(&g->weights, int64_t, s));
		uint32_t n;
		const uint32_t *locations = profile_stack(p, (uint32_t)s, &n);
		for (uint32_t i = 0; w && i < n; i++) {
			uint8_t v = unnamed[locations[i]];
			if (!v)
				continue;
			uint32_t m = ARRAY_AT(&p->locations, struct profile_location, locations[i])
					     ->mapping;
			struct module *mod = &modules[group[m == PROFILE_NONE ? p->mappings.n : m]];
			if (i == 0 && (v & INNERMOST)) {
				mod->flat = unit_add(mod->flat, w);
				all->flat = unit_add(all->flat, w);
			}
			if (mod->seen != s + 1)
				mod->cum = unit_add(mod->cum, w);
			mod->seen = (uint32_t)s + 1;
			if (all->seen != s + 1)
				all->cum = unit_add(all->cum, w);
			all->seen = (uint32_t)s + 1;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct module *x = a, *y = b;

	if (x->cum != y->cum)
		return x->cum < y->cum ? 1 : -1;
	return x->file < y->file ? -1 : x->file > y->file;
}

static const char *advice(const char *file, const char *build_id)
{
	if (!*file)
		return "no mapping is known for it";
	if (!strncmp(file, "[kernel", 7))
		return "kernel symbols are for root and group profd only";
	if (!strncmp(file, "[v", 2))
		return "the kernel's own page, which has no symbols";
	if (*file == '[' || !strncmp(file, "//anon", 6) || !strncmp(file, "/memfd:", 7))
		return "code made at run time: a perf map names it (node --perf-basic-prof, "
		       "python3 -X perf, jcmd PID Compiler.perfmap)";
	if (!*build_id)
		return "it has no build ID; build it with symbols";
	return "its -dbgsym package or debuginfod would name it";
}

static void write_module(const struct graph *g, const struct module *m, FILE *out)
{
	const char *file = profile_text(g->profile, m->file);
	const char *build_id = profile_text(g->profile, m->build_id);
	char flat[UNIT_TEXT], cum[UNIT_TEXT];

	(void)fprintf(out, "%7s %7s  ", unit_percent(m->flat, g->total, flat),
		unit_percent(m->cum, g->total, cum));
	(void)frame_put(out, *file ? file : "[unknown]", 0, 0);
	if (*build_id) {
		(void)fputs(" (build ID ", out);
		(void)frame_put(out, build_id, 0, 0);
		(void)fputc(')', out);
	}
	(void)fprintf(out, ": %s\n", advice(file, build_id));
}

int unnamed_write(const struct graph *g, FILE *out)
{
	size_t n = g->profile->mappings.n + 1;
	_cleanup_free_ uint8_t *unnamed = judge_locations(g->profile);
	_cleanup_free_ uint32_t *group = calloc(n, sizeof(*group));
	_cleanup_free_ struct module *modules = calloc(n, sizeof(*modules));
	struct module all = { 0 };
	char text[UNIT_TEXT];

	if (!unnamed || !group || !modules)
		return -ENOMEM;
	/* Mostly there are none, and then the stacks need not be looked at. */
	if (!memchr(unnamed, ANY, g->profile->locations.n) &&
		!memchr(unnamed, ANY | INNERMOST, g->profile->locations.n))
		return 0;
	group_mappings(g->profile, group, modules);
	count(g, unnamed, group, modules, &all);
	if (!all.cum)
		return 0;
	qsort(modules, n, sizeof(*modules), compare);
	(void)fputs("\nFunctions without a name: ", out);
	const char *share = unit_percent(all.flat, g->total, text);
	(void)fprintf(out, "%s of the total ends in one, ", share + strspn(share, " "));
	share = unit_percent(all.cum, g->total, text);
	(void)fprintf(out, "%s passes through one\n", share + strspn(share, " "));
	(void)fprintf(out, "%7s %7s\n", "flat%", "cum%");
	size_t shown = 0;
	for (; shown < MIN(n, MAX_MODULES) && modules[shown].cum; shown++)
		write_module(g, &modules[shown], out);
	size_t more = 0;
	for (size_t i = shown; i < n; i++)
		more += modules[i].cum != 0;
	if (more)
		(void)fprintf(out, "and %zu more modules\n", more);
	return 0;
}
