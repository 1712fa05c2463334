/* SPDX-License-Identifier: Apache-2.0 */
/* Growing an array for what is written at once: inline and without zeroes, since every sample does
 * it several times. */
#ifndef PROFD_PROFILE_EXTEND_H
#define PROFD_PROFILE_EXTEND_H

#include "base/table.h"

/* n more elements, which the caller sets; NULL for none. As array_resize(). */
static inline int array_extend(struct array *a, size_t n, void **ret)
{
	size_t before = a->n;

	if (a->allocated - before < n) {
		int r = array_resize(a, before + n);
		if (r < 0)
			return r;
	}
	a->n = before + n;
	*ret = n ? (char *)a->data + before * a->size : NULL;
	return 0;
}

#endif
