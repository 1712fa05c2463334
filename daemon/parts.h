/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a message of many small parts: one owner, and one look at whether there was enough. */
#ifndef PROFD_PARTS_H
#define PROFD_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/cleanup.h"

#define PARTS_MAX 24576

struct parts {
	void *all[PARTS_MAX]; /* owned */
	size_t n;
	bool failed; /* something found no room: the message is not whole */
};

/* NULL: no memory. */
struct parts *parts_new(void);
struct parts *parts_free(struct parts *p);
/* n * size bytes of zeros; NULL: no room. */
void *parts_zeroed(struct parts *p, size_t n, size_t size);
/* A copy as it may stand in a message; never NULL. */
char *parts_text(struct parts *p, const char *text);
DEFINE_CLEANUP(struct parts *, parts_free)

#endif
