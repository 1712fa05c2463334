/* SPDX-License-Identifier: Apache-2.0 */
/* The table of profile types (types.h). Pure. */
#include "profile/types.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct profile_type_info infos[PROFILE_TYPES_N] = {
#define X(id, n, q, t1, u1, t2, u2, pt, pu, p) \
	[PROFILE_##id] = {                     \
		.name = (n),                   \
		.question = (q),               \
		.type = { (t1), (t2) },        \
		.unit = { (u1), (u2) },        \
		.period_type = (pt),           \
		.period_unit = (pu),           \
		.probes = (p),                 \
	},
	PROFILE_TYPES(X)
#undef X
};

static const char *const names[PROFILE_TYPES_N + 1] = {
#define X(id, name, ...) name,
	PROFILE_TYPES(X)
#undef X
};

const struct profile_type_info *profile_type_info(enum profile_type type)
{
	return &infos[type];
}

int profile_type_find(const char *name)
{
	for (int i = 0; i < PROFILE_TYPES_N; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -EINVAL;
}

const char *const *profile_type_names(void)
{
	return names;
}

uint32_t profile_type_probes(uint32_t types)
{
	uint32_t probes = 0;

	for (int i = 0; i < PROFILE_TYPES_N; i++)
		if (types >> i & 1)
			probes |= infos[i].probes;
	return probes;
}
