/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values with units, written exactly as `go tool pprof` writes them
 * (github.com/google/pprof/blob/main/internal/measurement/measurement.go), so that people can
 * compare.
 */
#ifndef PROFCTL_VIEW_UNIT_H
#define PROFCTL_VIEW_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNIT_TEXT 64

/* value of unit `from` in unit `to`; "auto" picks one in which it is at least 1. *ret_unit is the
 * unit's short name, "" for counts; it is static or one of the arguments. */
double unit_scale(int64_t value, const char *from, const char *to, const char **ret_unit);
/* "1.23s", "512kB", "0"; buf has UNIT_TEXT bytes and is returned. */
const char *unit_label(int64_t value, const char *from, const char *to, char *buf);
/* Five columns and '%': "12.34%", " 0.5%", "  100%". */
const char *unit_percent(int64_t value, int64_t total, char *buf);
/* a + b and |a|, saturating: values come from files. */
int64_t unit_add(int64_t a, int64_t b);
int64_t unit_abs(int64_t a);
/* Rounded a * ratio, saturating. */
int64_t unit_times(int64_t a, double ratio);
/* Both are bytes and their multiples, or both are times. */
bool unit_same_kind(const char *a, const char *b);
/* The unit in which a column with values from `min` to `max` reads well. */
const char *unit_for_column(int64_t min, int64_t max, const char *from);

#endif
