/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call tree of one profile, of several added up, or of two compared: what flame graphs are
 * drawn of. Frames are named as every view names them; a frame of equal name, module and kind below
 * the same parent is one node.
 */
#ifndef PROFCTL_VIEW_FLAME_H
#define PROFCTL_VIEW_FLAME_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/error.h"
#include "base/table.h"
#include "profile/profile.h"

#define FLAME_NONE UINT32_MAX

enum flame_kind {
	FLAME_ROOT,
	FLAME_USER,
	FLAME_KERNEL,
	FLAME_GO,
	FLAME_JIT,
	FLAME_INLINED,
	FLAME_UNNAMED,
	FLAME_LABEL, /* the value of a label, of --tagroot or --tagleaf */
	FLAME_KINDS,
};

/* Which of the two a profile counts for; one that is alone is the new one. */
enum flame_side { FLAME_BASE, FLAME_NEW };

struct flame_frame {
	uint32_t name, module; /* of tree.strings; safe for a terminal, not escaped for markup */
	enum flame_kind kind;
};

struct flame_node {
	uint32_t frame, parent;
	uint32_t first_child, next; /* siblings from the heaviest to the lightest */
	uint32_t size;		    /* nodes of its subtree, itself included */
	int64_t self[2], value[2];  /* by enum flame_side; value is with all below */
	/* What it is wide: the larger of |self| of both sides, summed up over the subtree, so that
	 * what is gone and what is new both have room. */
	int64_t weight;
};

struct flame_tree {
	struct strings strings;
	struct array frames; /* struct flame_frame */
	struct array nodes;  /* struct flame_node; [0] is the root, parents before children */
	struct table frame_index, node_index;
	bool by_name;  /* frames are matched by name alone: profiles of different builds */
	bool inverted; /* leaves are the roots */
	bool compared; /* has a base */
	char type[64], unit[32];
	int64_t duration_ns[2]; /* sums, 0: none given */
	int64_t whole[2];	/* of flame_tree_count() */
};

/* Must not be moved afterwards. 0, -ENOMEM. */
int flame_tree_init(struct flame_tree *t, bool by_name, bool inverted);
void flame_tree_deinit(struct flame_tree *t);
/* Adds the values of one sample type. 0, -ENOMEM, -E2BIG. */
int flame_tree_add(
	struct flame_tree *t, const struct profile *p, uint32_t type, enum flame_side side);
/* Shares are of this profile's values too, whatever filters leave of them: to be called before
 * those. Where it is not, they are of what was added. */
void flame_tree_count(
	struct flame_tree *t, const struct profile *p, uint32_t type, enum flame_side side);
/* What shares are of. */
int64_t flame_tree_whole(const struct flame_tree *t, enum flame_side side);
/* Adds up and sorts; to be called once, after the last profile. 0, -ENOMEM. */
int flame_tree_finish(struct flame_tree *t);

static inline const struct flame_node *flame_node(const struct flame_tree *t, uint32_t i)
{
	return ARRAY_AT(&t->nodes, struct flame_node, i);
}
static inline const struct flame_frame *flame_frame(const struct flame_tree *t, uint32_t node)
{
	return ARRAY_AT(&t->frames, struct flame_frame, flame_node(t, node)->frame);
}
static inline const char *flame_name(const struct flame_tree *t, uint32_t node)
{
	return strings_get(&t->strings, flame_frame(t, node)->name, NULL);
}
static inline const char *flame_module(const struct flame_tree *t, uint32_t node)
{
	return strings_get(&t->strings, flame_frame(t, node)->module, NULL);
}

/* What a graph is drawn like. */
enum flame_color { FLAME_COLOR_KIND, FLAME_COLOR_MODULE };

struct flame_options {
	const char *title; /* NULL: "Flame graph" */
	bool icicle;	   /* the root is at the top */
	enum flame_color color_by;
	/* Share of the whole below which boxes are merged into one, 0 to 1; negative: as fits the
	 * format. */
	double min_share;
};

/* The profile's values can be added to what the tree has: of one type and unit. 0 or -EINVAL with
 * *error set, which names the file. */
int flame_tree_check(const struct flame_tree *t, const struct profile *p, uint32_t type,
	const char *file, struct error *error);

struct view_options;

/* One profile, as it is drawn without options; as the views of view.h. */
int view_svg(const struct profile *p, const struct view_options *o, FILE *out, struct error *error);
int view_html(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error);

/* One document that stands alone. 0, -EIO, -ENOMEM, with *error set. */
int flame_write_svg(
	const struct flame_tree *t, const struct flame_options *o, FILE *out, struct error *error);
int flame_write_html(
	const struct flame_tree *t, const struct flame_options *o, FILE *out, struct error *error);

#endif
