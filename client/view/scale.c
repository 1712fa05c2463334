/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the choice of the common unit and the change of values. Values saturate. */
#include "view/scale.h"
#include <string.h>
#include "profile/build.h"
#include "view/unit.h"

/* Which of two types of values is changed, and by what; NULL: none. */
struct change {
	struct profile *p;
	struct profile_value_type *type;
	double ratio;
	const char *unit; /* the other's */
};

static struct change find_change(struct profile *a, struct profile_value_type *of_a,
	struct profile *b, struct profile_value_type *of_b)
{
	const char *in_a = profile_text(a, of_a->unit), *in_b = profile_text(b, of_b->unit);
	const char *name;

	if (!strcmp(in_a, in_b) ||
		strcmp(profile_text(a, of_a->type), profile_text(b, of_b->type)) ||
		!unit_same_kind(in_a, in_b))
		return (struct change){ 0 };
	double ratio = unit_scale(1, in_b, in_a, &name);
	if (ratio < 1)
		return (struct change){ a, of_a, unit_scale(1, in_a, in_b, &name), in_b };
	return (struct change){ b, of_b, ratio, in_a };
}

static void scale_column(struct profile *p, uint32_t type, double ratio)
{
	int64_t *values = p->values.data;

	for (size_t i = type; ratio != 1 && i < p->values.n; i += p->n_types)
		values[i] = unit_times(values[i], ratio);
}

int scale_to_common_unit(struct profile *a, uint32_t type_a, struct profile *b, uint32_t type_b)
{
	struct change c = find_change(a, &a->types[type_a], b, &b->types[type_b]);

	if (!c.p)
		return 0;
	scale_column(c.p, (uint32_t)(c.type - c.p->types), c.ratio);
	return profile_add_string(c.p, c.unit, &c.type->unit);
}

int scale_to_common_units(struct profile *a, struct profile *b)
{
	struct change c = find_change(a, &a->period_type, b, &b->period_type);
	int r = 0;

	if (c.p) {
		c.p->period = unit_times(c.p->period, c.ratio);
		r = profile_add_string(c.p, c.unit, &c.type->unit);
	}
	for (uint32_t i = 0; i < a->n_types && i < b->n_types && r >= 0; i++)
		r = scale_to_common_unit(a, i, b, i);
	return r;
}
