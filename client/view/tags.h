/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the samples of a node are labelled with, by pprof's rules
 * (github.com/google/pprof/blob/main/internal/graph/graph.go): all text labels of a sample are one
 * tag, each number of its label "bytes" is one below it; other numbers are none.
 */
#ifndef PROFCTL_VIEW_TAGS_H
#define PROFCTL_VIEW_TAGS_H

#include "view/graph.h"

struct tag {
	uint32_t name;	/* of tags.names: "key:value\nkey:value" with \n of two characters, or a
			   number with its unit */
	uint32_t label; /* of a number: the name of the tag it is below, 0: of none */
	bool is_number;
	int64_t value; /* of a number */
	int64_t flat, cum;
};

struct tags {
	struct strings names;
	const char *unit;     /* of the numbers; borrowed from the profile */
	struct array all;     /* struct tag, by node */
	struct array of_node; /* struct profile_span by node */
};

/* Counts for n nodes of the graph; tags that weigh less than `cutoff` are left out. `unit`: what
 * numbers are written in. 0, -ENOMEM, -E2BIG. */
int tags_init(struct tags *t, const struct graph *g, const uint32_t *nodes, size_t n,
	int64_t cutoff, const char *unit);
void tags_deinit(struct tags *t);
static inline const struct tag *tags_of(const struct tags *t, uint32_t node, uint32_t *ret_n)
{
	if (!t->of_node.n) {
		*ret_n = 0;
		return NULL;
	}
	const struct profile_span *s = ARRAY_AT(&t->of_node, struct profile_span, node);
	*ret_n = s->n;
	return s->n ? ARRAY_AT(&t->all, struct tag, s->first) : NULL;
}

#endif
