/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time is CLOCK_MONOTONIC nanoseconds inside; wall clock only at the edge. Spans and points are
 * read as systemd.time(7) has them.
 */
#ifndef PROFD_BASE_CLOCK_H
#define PROFD_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_SEC 1000000000ULL
#define NS_PER_MS  1000000ULL
#define NS_PER_US  1000ULL

uint64_t clock_monotonic_ns(void);
uint64_t clock_wall_ns(void);
/* CPU time this process has used, user + system. */
uint64_t clock_process_cpu_ns(void);

/* Parses a span ("10", "1.5s", "2min 30s", "500ms", "1h"; a bare number is seconds).
 * 0, or -EINVAL (also for a negative or an overflowing one). */
int clock_parse_span(const char *text, uint64_t *ret_ns);

/* Parses a point in time: "now", "today", "yesterday", "-5min", "5m" (both: that long before now),
 * "+5s", "@UNIX", "YYYY-MM-DD[ HH:MM[:SS]]", "HH:MM[:SS]", RFC 3339. wall_now_ns is CLOCK_REALTIME.
 * 0 or -EINVAL; the result is CLOCK_REALTIME ns. */
int clock_parse_point(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns);

/* "350ms", "12.3s", "5min 2s": writes at most n bytes with NUL and returns buf. */
const char *clock_format_span(uint64_t ns, char *buf, size_t n);
/* "2026-11-20 13:05:01" in local time. */
const char *clock_format_point(uint64_t wall_ns, char *buf, size_t n);

#endif
