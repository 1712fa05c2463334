/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed from one profile to another, by function and by call path. Frames are matched by the
 * name that every view shows, so that builds at other addresses and other paths can be compared;
 * functions without a name, whose address stands in their place, are matched by it where the build
 * is the same, and by module where it is not. Differences are those of `go tool pprof -base`.
 */
#ifndef PROFCTL_VIEW_DIFF_H
#define PROFCTL_VIEW_DIFF_H

#include "view/filter.h"
#include "view/flame.h"

enum diff_normalize {
	DIFF_AS_IS,
	DIFF_TOTAL, /* the new profile is scaled to the total of the base, as pprof's -normalize */
	DIFF_TIME,  /* to its duration */
};

struct diff_side {
	struct profile *profile; /* borrowed; diff_init() changes values and names in it */
	const char *name;	 /* of the file; borrowed */
	int64_t total;
	/* What is left of the profile, with the place for notes; borrowed, NULL: all of it. The
	 * total is of all of it nevertheless. */
	const struct filter *filter;
	FILE *notes;
};

struct diff_row {
	uint32_t frame;		 /* of the tree */
	int64_t flat[2], cum[2]; /* by enum flame_side */
};

struct diff {
	struct diff_side side[2]; /* by enum flame_side */
	uint32_t type[2];
	enum diff_normalize normalize;
	double scale; /* what the new profile's values were multiplied with */
	struct flame_tree tree;
	struct array rows;  /* struct diff_row: every function, the largest change first */
	struct array paths; /* uint32_t node of the tree whose own value differs; the same order */
};

/* By flat, or `cum`. 0, -EINVAL (types that cannot be compared, no duration to scale by), -ENOMEM,
 * with *error set. Must not be moved afterwards. */
int diff_init(struct diff *d, const struct diff_side sides[2], const char *sample_index,
	enum diff_normalize normalize, bool cum, struct error *error);
void diff_deinit(struct diff *d);

/* b - a, saturating. */
int64_t diff_of(const int64_t v[2]);
/* value / total of one side, 0 where there is none. */
double diff_share(const struct diff *d, enum flame_side side, int64_t value);
static inline const char *diff_name(const struct diff *d, const struct diff_row *row)
{
	return strings_get(&d->tree.strings,
		ARRAY_AT(&d->tree.frames, struct flame_frame, row->frame)->name, NULL);
}

struct diff_view {
	int n; /* rows; 0: those that changed by half a percent of the base, negative: all */
	bool paths;
	int width; /* columns of the terminal, 0: lines are not cut */
	bool color;
};

/* 0, -EIO or -ENOMEM with *error set. */
int diff_write_text(
	const struct diff *d, const struct diff_view *v, FILE *out, struct error *error);
/* One object; its schema is on top of diff_json.c. `failed`: NULL-terminated. */
int diff_write_json(const struct diff *d, const struct diff_view *v, char *const *failed, FILE *out,
	struct error *error);

#endif
