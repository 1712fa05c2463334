/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame is called, and how names that a target chose are shown. */
#ifndef PROFCTL_VIEW_FRAME_H
#define PROFCTL_VIEW_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "profile/profile.h"

/* Name of a function as pprof shows it: the demangled one where it was given, else the system's
 * name, demangled, or shortened by parameters and template arguments where it is so already. *owned
 * is a buffer to free where one was needed. */
const char *frame_function_name(
	const struct profile *p, const struct profile_function *f, char **owned);
/* The same, whole: with parameters and template arguments. */
const char *frame_whole_name(
	const struct profile *p, const struct profile_function *f, char **owned);
/* File of the mapping, "" for none. */
const char *frame_module(const struct profile *p, uint32_t mapping);
/* The part behind the last slash. */
const char *frame_basename(const char *path);
/* In the kernel or one of its modules. */
bool frame_is_kernel(const char *module);
/* "", module+0xaddress or [module]; not what profd itself says in the place of a stack. */
bool frame_is_unnamed(const char *name);

/* A copy with what is not printable, and `forbidden`, replaced; NULL without memory. */
char *frame_safe(const char *text, char forbidden);
/* Writes text with what is not printable, and `forbidden` (0: none), replaced; at most max_columns
 * characters where that is not 0. The characters written. */
size_t frame_put(FILE *out, const char *text, char forbidden, size_t max_columns);

#endif
