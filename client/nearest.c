/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody may have meant. Owns the edit distance (insert, delete, replace, swap of
 * neighbours: "optimal string alignment") and the line that names the choices. Words are short:
 * what is longer than WORD_MAX is near to nothing.
 */
#include <errno.h>
#include <string.h>
#include "client/options.h"

#define WORD_MAX 32

static unsigned edit_distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > WORD_MAX || m > WORD_MAX)
		return UINT32_MAX;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned replace = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = MIN(MIN(d[i - 1][j], d[i][j - 1]) + 1, replace);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

const char *nearest_word(const char *wrong, const char *const *words)
{
	const char *best = NULL;
	unsigned best_distance = UINT32_MAX;

	for (; *words; words++) {
		unsigned distance = edit_distance(wrong, *words);

		if (distance < best_distance) {
			best = *words;
			best_distance = distance;
		}
	}
	/* Half of the word must be right, or it is another word. */
	if (!best || best_distance > MAX(1U, (unsigned)strlen(best) / 2))
		return NULL;
	return best;
}

int unknown_word(const char *what, const char *wrong, const char *const *words, struct error *error)
{
	const char *near = nearest_word(wrong, words);
	char list[400] = "";
	size_t n = 0;

	for (; *words && n < sizeof(list); words++)
		n += snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "", *words);
	if (near)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"unknown %s '%.60s', did you mean '%s'? Choices: %s", what, wrong, near,
			list);
	return error_set(error, -EINVAL, EXIT_CODE_USAGE, "unknown %s '%.60s'; choices: %s", what,
		wrong, list);
}
