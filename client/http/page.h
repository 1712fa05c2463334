/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of `serve`. Pure: they are functions of what the daemon said. Every name in them is
 * made safe for markup.
 */
#ifndef PROFCTL_HTTP_PAGE_H
#define PROFCTL_HTTP_PAGE_H

#include <stdio.h>
#include "http/route.h"
#include "wire/frame.h"

/* What is attached, what it costs and loses, and what can be looked at. */
void page_overview(FILE *out, const char *url, const Profd__V1__HelloReply *h,
	const Profd__V1__StatusReply *s, const Profd__V1__ListReply *l);
/* /debug/pprof/: the profiles that there are. */
void page_index(
	FILE *out, const struct route *r, const char *query, const Profd__V1__HelloReply *h);
/* The frame in which /flame/graph is shown and renewed. */
void page_flame(FILE *out, const struct route *r, const char *query);
/* In the place of a graph. Returns 0. */
int page_empty(FILE *out, const char *why);

#endif
