/* SPDX-License-Identifier: Apache-2.0 */
/* Text inside of a quoted string of Graphviz (graphviz.org/doc/info/lang.html). */
#ifndef PROFCTL_VIEW_DOT_NAME_H
#define PROFCTL_VIEW_DOT_NAME_H

#include <stdio.h>

/* Any text, made safe. */
void dot_put(FILE *out, const char *text);
/* A function's name, shortened and broken into lines at :: and dots as pprof does. 0, -ENOMEM. */
int dot_put_name(FILE *out, const char *name);

#endif
