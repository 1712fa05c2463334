/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renderings of a profile. Each is a pure function of the profile and the options, and writes to a
 * stream that the caller owns. Profiles come from anywhere: names are shown with control characters
 * replaced, numbers that overflow saturate.
 */
#ifndef PROFCTL_VIEW_VIEW_H
#define PROFCTL_VIEW_VIEW_H

#include <stdbool.h>
#include <stdio.h>
#include "base/error.h"
#include "profile/profile.h"

/* What frames are told apart by, as pprof's -granularity. */
enum view_granularity {
	GRANULARITY_FUNCTIONS,
	GRANULARITY_FILEFUNCTIONS,
	GRANULARITY_FILES,
	GRANULARITY_LINES,
	GRANULARITY_ADDRESSES,
};

struct filter;

struct view_options {
	int n;			  /* rows shown; 0: the view's own choice; negative: all */
	bool cum;		  /* sort by cumulative value */
	const char *sample_index; /* name or number of a sample type; NULL: the profile's default */
	bool color;
	int width; /* columns of the terminal; 0: unknown, lines are not cut */
	enum view_granularity granularity;
	const char *unit;	     /* values are written in it; NULL: in what reads well */
	const int64_t *total;	     /* what percentages are of; NULL: the profile's own */
	const struct filter *filter; /* what was applied, for the heading; NULL: nothing */
};

/* All return 0, -EINVAL (an option that does not fit the profile), -EIO (the stream failed) or
 * -ENOMEM, with *error set. */

/* `go tool pprof -top`: flat flat% sum% cum cum%, then what is unnamed and what would name it. */
int view_top(const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* `go tool pprof -tree`: each function between its callers and callees. */
int view_tree(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* `go tool pprof -peek`: the same, of the functions whose name matches. */
int view_peek(const struct profile *p, const struct view_options *o, const char *expression,
	FILE *out, struct error *error);
/* `go tool pprof -list`: source lines of the functions whose name matches; where there is no source
 * here, the lines by number. */
int view_list(const struct profile *p, const struct view_options *o, const char *expression,
	FILE *out, struct error *error);
/* `go tool pprof -traces`: each sample with its labels and stack. */
int view_traces(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* `go tool pprof -dot`: the call graph for Graphviz. */
int view_dot(const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* As `perf script` prints samples, for what reads that (stackcollapse-perf.pl, Firefox Profiler).
 */
int view_perf_script(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* https://www.speedscope.app/file-format-schema.json: a view for each sample type. */
int view_speedscope(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* root;...;leaf N: one line for each different stack, in a stable order. */
int view_folded(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* Everything the profile holds, for reading; as `go tool pprof -raw`. */
int view_text(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
/* The same as one JSON object; its schema is described on top of json.c. */
int view_json(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);

/* The sample type that the options choose: sample_index by name ("cpu"; pprof's "inuse_space") or
 * number, else default_sample_type, else the last. 0 or -EINVAL with the list of what there is. */
int view_sample_index(
	const struct profile *p, const char *wanted, uint32_t *ret, struct error *error);

#endif
