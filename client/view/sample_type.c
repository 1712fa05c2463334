/* SPDX-License-Identifier: Apache-2.0 */
/* Owns which of a profile's sample types a view shows: pprof's rule for -sample_index. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "view/view.h"

static const char *type_name(const struct profile *p, uint32_t i)
{
	return profile_text(p, p->types[i].type);
}

static int unknown(const struct profile *p, const char *wanted, struct error *error)
{
	char list[256] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < p->n_types && n < sizeof(list); i++) {
		int k = snprintf(
			list + n, sizeof(list) - n, "%s%s", i ? ", " : "", type_name(p, i));
		n += k > 0 ? (size_t)k : 0;
	}
	return error_set(error, -EINVAL, EXIT_CODE_USAGE,
		"the profile has no sample type '%s'; it has %s", wanted, list);
}

int view_sample_index(
	const struct profile *p, const char *wanted, uint32_t *ret, struct error *error)
{
	uint32_t index = p->n_types - 1;

	if (!p->n_types)
		return error_set(
			error, -EINVAL, EXIT_CODE_FAILED, "the profile has no sample types");
	if (!wanted || !*wanted) {
		for (uint32_t i = 0; i < p->n_types && p->default_sample_type; i++)
			if (p->types[i].type == p->default_sample_type) {
				index = i;
				break;
			}
		*ret = index;
		return 0;
	}
	char *end;
	errno = 0;
	long number = strtol(wanted, &end, 10);
	if (!*end) {
		if (errno || number < 0 || number >= (long)p->n_types)
			return unknown(p, wanted, error);
		*ret = (uint32_t)number;
		return 0;
	}
	/* pprof's heap options say inuse_space where old profiles say space. */
	const char *legacy = strncmp(wanted, "inuse_", 6) ? wanted : wanted + 6;
	for (uint32_t i = 0; i < p->n_types; i++)
		if (!strcmp(type_name(p, i), wanted) || !strcmp(type_name(p, i), legacy)) {
			*ret = i;
			return 0;
		}
	return unknown(p, wanted, error);
}
