/* SPDX-License-Identifier: Apache-2.0 */
/* Script and style of the pages. */
#ifndef PROFCTL_HTTP_ASSETS_H
#define PROFCTL_HTTP_ASSETS_H

struct asset {
	const char *name, *type, *data; /* data ends with a NUL */
};

/* NULL: there is none. */
const struct asset *asset_find(const char *name);

#endif
