/* SPDX-License-Identifier: Apache-2.0 */
/* What is interned in a profile: private to build.c, made by index.c. */
#ifndef PROFD_PROFILE_INDEX_H
#define PROFD_PROFILE_INDEX_H

#include "profile/profile.h"

struct interner {
	struct table table;
	struct array hashes; /* uint64_t an element */
	const struct profile *profile;
};

struct profile_index {
	struct interner functions, locations, stacks, label_sets, samples;
	bool has_samples; /* only once a sample was added with `merge` */
};

struct location_key {
	struct profile_location location;
	const struct profile_line *lines;
};

struct span_key {
	const void *data;
	uint32_t n;
};

struct sample_key {
	uint32_t stack, labels;
};

uint64_t hash_function(const struct profile_function *f);
uint64_t hash_location(const struct location_key *k);
uint64_t hash_stack(const uint32_t *locations, uint32_t n);
uint64_t hash_labels(const struct profile_label *labels, uint32_t n);
uint64_t hash_sample(const struct sample_key *k);

/* Adds the next element of the column. With `unique` it is known not to be there. 0, -ENOMEM. */
int interner_add(struct interner *in, uint64_t hash, const void *key, bool unique);
/* Makes the index where there is none. 0, -ENOMEM. */
int index_ensure(struct profile *p);
/* index_ensure(), and samples are in it from now on. */
int index_samples(struct profile *p);
void index_drop(struct profile *p);
uint64_t profile_index_bytes(const struct profile_index *x);

#endif
