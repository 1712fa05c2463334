/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What net/http/pprof answers to symbol (https://go.dev/src/net/http/pprof/pprof.go): a line for
 * each address that has a name. Names are those of a profile, for the addresses that its samples
 * have, as the profile writes them; an address that two modules have is not named. Pure.
 */
#ifndef PROFCTL_HTTP_SYMBOL_H
#define PROFCTL_HTTP_SYMBOL_H

#include <stdio.h>
#include "profile/profile.h"

struct symbol_words {
	const char *text; /* borrowed, of anybody */
	size_t n;
	const char *separators; /* between addresses */
};

/* There is an address among them. */
bool symbol_words_ask(const struct symbol_words *w);
/* p NULL: nothing is known. 0, -ENOMEM, -EFBIG (more than HTTP_SYMBOL_BYTES). */
int symbol_write(const struct symbol_words *w, const struct profile *p, FILE *out);

#endif
