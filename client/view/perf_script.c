/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the text that `perf script` writes, for the programs that read it (stackcollapse-perf.pl,
 * the Firefox Profiler, speedscope): a header line for each sample,
 *
 *   COMM PID/TID [CPU] SECONDS: VALUE EVENT:
 *
 * then a frame a line, leaf first: address, name+offset, (module). What a profile does not know of
 * a sample is made up so that it parses: labels give the name and the numbers (process, comm or
 * thread; pid, tid; slot_time), the time is else that of the profile. A name has no white space
 * where readers split at it, and no ->, which is what they split inlined functions at.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/unit.h"
#include "view/view.h"

struct script {
	const struct profile *p;
	uint32_t type;
	char **names;	/* owned: by function, made safe */
	char **modules; /* owned: by mapping */
	char *event;	/* owned */
};

static void script_deinit(struct script *s)
{
	for (size_t i = 0; s->names && i < s->p->functions.n; i++)
		free(s->names[i]);
	for (size_t i = 0; s->modules && i < s->p->mappings.n; i++)
		free(s->modules[i]);
	free(s->names);
	free(s->modules);
	free(s->event);
}

/* A copy without anything that readers would split at. */
static char *word(const char *text, bool spaces)
{
	char *copy = frame_safe(text, '\0');

	for (char *c = copy; c && *c; c++) {
		if (!spaces && *c == ' ')
			*c = '_';
		else if (c[0] == '-' && c[1] == '>')
			*c = '.';
	}
	return copy;
}

static int script_init(struct script *s, const struct profile *p, uint32_t type)
{
	const char *kind = profile_text(p, p->types[type].type);

	*s = (struct script){ .p = p, .type = type };
	s->names = calloc(p->functions.n + 1, sizeof(*s->names));
	s->modules = calloc(p->mappings.n + 1, sizeof(*s->modules));
	s->event = word(*kind ? kind : "samples", false);
	if (!s->names || !s->modules || !s->event)
		return -ENOMEM;
	for (char *c = s->event; *c; c++)
		if (*c == ':')
			*c = '_';
	for (size_t i = 0; i < p->functions.n; i++) {
		const struct profile_function *f =
			ARRAY_AT(&p->functions, struct profile_function, i);
		_cleanup_free_ char *owned = NULL;
		s->names[i] = word(frame_whole_name(p, f, &owned), true);
		if (!s->names[i])
			return -ENOMEM;
	}
	for (size_t i = 0; i < p->mappings.n; i++) {
		s->modules[i] = word(frame_module(p, (uint32_t)i), false);
		if (!s->modules[i])
			return -ENOMEM;
	}
	return 0;
}

/* What the labels of a sample say it was. */
struct who {
	const char *comm;
	int64_t pid, tid, time_ns;
};

static bool is_any(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (!strcmp(key, *keys))
			return true;
	return false;
}

static struct who identify(const struct script *s, uint32_t set)
{
	static const char *const comms[] = { "comm", "thread", "process", "thread_name", NULL };
	static const char *const tids[] = { "tid", "thread_id", NULL };
	struct who w = { .comm = "profile", .time_ns = s->p->time_nanos };
	uint32_t n;
	const struct profile_label *l = profile_label_set(s->p, set, &n);

	for (uint32_t i = 0; i < n; i++) {
		const char *key = profile_text(s->p, l[i].key);
		int64_t number = l[i].str ? atoll(profile_text(s->p, l[i].str)) : l[i].num;
		if (l[i].str && is_any(key, comms))
			w.comm = profile_text(s->p, l[i].str);
		else if (!strcmp(key, "pid"))
			w.pid = number;
		else if (is_any(key, tids))
			w.tid = number;
		else if (!strcmp(key, "slot_time"))
			w.time_ns = number;
	}
	w.tid = w.tid > 0 ? w.tid : MAX(w.pid, 0);
	w.pid = w.pid > 0 ? w.pid : w.tid;
	w.time_ns = MAX(w.time_ns, 0);
	return w;
}

static int write_header(const struct script *s, size_t sample, int64_t value, FILE *out)
{
	struct who w = identify(s, *ARRAY_AT(&s->p->sample_labels, uint32_t, sample));
	_cleanup_free_ char *comm = word(w.comm, false);

	if (!comm)
		return -ENOMEM;
	(void)fprintf(out,
		"%s %5" PRId64 "/%" PRId64 " [000] %5" PRId64 ".%06" PRId64 ": %10" PRId64
		" %s: \n",
		*comm ? comm : "profile", w.pid, w.tid, w.time_ns / 1000000000,
		w.time_ns / 1000 % 1000000, value, s->event);
	return 0;
}

static void write_frame(
	const struct script *s, uint32_t location, const struct profile_line *line, FILE *out)
{
	const struct profile_location *l =
		ARRAY_AT(&s->p->locations, struct profile_location, location);
	const char *name = line ? s->names[line->function] : "";
	const char *module = l->mapping == PROFILE_NONE ? "" : s->modules[l->mapping];

	(void)fprintf(out, "\t%16" PRIx64 " %s", l->address, *name ? name : "[unknown]");
	(void)fprintf(out, " (%s)\n", *module ? module : "[unknown]");
}

static int write_sample(const struct script *s, size_t sample, FILE *out)
{
	const struct profile *p = s->p;
	int64_t value = profile_values(p, sample)[s->type];
	uint32_t n, n_lines;
	const uint32_t *locations =
		profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, sample), &n);
	int r = value ? write_header(s, sample, value, out) : 0;

	if (!value || r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++) {
		const struct profile_line *lines = profile_lines(p, locations[i], &n_lines);
		if (!n_lines)
			write_frame(s, locations[i], NULL, out);
		for (uint32_t k = 0; k < n_lines; k++)
			write_frame(s, locations[i], &lines[k], out);
	}
	(void)fputc('\n', out);
	return 0;
}

int view_perf_script(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	CLEANUP(script_deinit) struct script s = { .p = p };
	uint32_t type;
	int r = view_sample_index(p, o->sample_index, &type, error);

	if (r < 0)
		return r;
	r = script_init(&s, p, type);
	for (size_t i = 0; i < profile_n_samples(p) && r >= 0 && !ferror(out); i++)
		r = write_sample(&s, i, out);
	if (r < 0)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot convert: %s", strerror(-r));
	if (fflush(out) || ferror(out))
		return error_set(
			error, -EIO, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return 0;
}
