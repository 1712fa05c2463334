/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/*
 * Shell patterns (* ? [a-z] [!a-z]) over a comm, as a machine that looks at one pattern character a
 * step: every loop around it is a counted one. Pure; also compiled in user space. A `[` without its
 * `]` is an ordinary character. After the last `*` that was met only, as glob matching needs no
 * older one.
 */
#ifndef PROFD_BPF_GLOB_H
#define PROFD_BPF_GLOB_H

#include "bpf/abi.h"

/* Steps that any pattern of ABI_GLOB and text of ABI_COMM can take: each text position as the start
 * of the last star, times the pattern. */
#define GLOB_STEPS (ABI_COMM * ABI_GLOB + ABI_GLOB)

struct glob {
	__abi_u32 p, t;		  /* next of pattern and text */
	__abi_u32 star_p, star_t; /* behind the last star, and where its match ends; 0: none */
	__abi_u32 class_p;	  /* first inside of an open bracket; 0: none is open */
	__abi_u8 negated, in;
	__abi_u8 matched; /* the result, once a step has said that it is the last */
};

static inline __attribute__((always_inline)) char glob_pattern(const char *pattern, __abi_u32 i)
{
	return i < ABI_GLOB ? pattern[i & (ABI_GLOB - 1)] : 0;
}

/* The text did not match here: one character more for the last star, or the end. */
static inline __attribute__((always_inline)) int glob_back(struct glob *g, char text)
{
	g->class_p = 0;
	if (!g->star_p || !text)
		return 1;
	g->star_t++;
	g->t = g->star_t;
	g->p = g->star_p;
	return 0;
}

/* 1: done, g->matched is the answer; 0: go on. Both strings have their full ABI length; the text is
 * NUL-terminated. */
static inline __attribute__((always_inline)) int glob_step(
	struct glob *g, const char *pattern, const char *text)
{
	char p = glob_pattern(pattern, g->p), t = text[g->t & (ABI_COMM - 1)];

	if (g->class_p) {
		if (p == 0) { /* never closed: an ordinary `[` */
			g->p = g->class_p;
			g->class_p = 0;
			if (t != '[')
				return glob_back(g, t);
			g->t++;
			return 0;
		}
		if (p == ']' && g->p != g->class_p + g->negated) {
			g->class_p = 0;
			if (t == 0 || g->in == g->negated)
				return glob_back(g, t);
			g->p++;
			g->t++;
			return 0;
		}
		if (g->p == g->class_p && p == '!') {
			g->negated = 1;
			g->p++;
			return 0;
		}
		if (glob_pattern(pattern, g->p + 1) == '-' &&
			glob_pattern(pattern, g->p + 2) != ']' &&
			glob_pattern(pattern, g->p + 2) != 0) {
			if (t >= p && t <= glob_pattern(pattern, g->p + 2))
				g->in = 1;
			g->p += 3;
			return 0;
		}
		if (t == p)
			g->in = 1;
		g->p++;
		return 0;
	}
	if (p == '*') {
		g->p++;
		g->star_p = g->p;
		g->star_t = g->t;
		return 0;
	}
	if (p == 0) {
		g->matched = t == 0;
		return g->matched ? 1 : glob_back(g, t);
	}
	if (p == '[') {
		g->p++;
		g->class_p = g->p;
		g->negated = 0;
		g->in = 0;
		return 0;
	}
	if (t == 0 || (p != '?' && p != t))
		return glob_back(g, t);
	g->p++;
	g->t++;
	return 0;
}

#endif
