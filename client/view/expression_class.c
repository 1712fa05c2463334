/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the tables of named classes. */
#include "view/expression_class.h"
#include <string.h>
#include "base/cleanup.h"

static const struct named_class perl_classes[] = {
	{ "d", { { '0', '9' } }, 1 },
	{ "s", { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } }, 3 },
	{ "w", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
};
static const struct named_class posix_classes[] = {
	{ "alnum", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } }, 3 },
	{ "alpha", { { 'A', 'Z' }, { 'a', 'z' } }, 2 },
	{ "ascii", { { 1, 0x7f } }, 1 },
	{ "blank", { { '\t', '\t' }, { ' ', ' ' } }, 2 },
	{ "cntrl", { { 1, 0x1f }, { 0x7f, 0x7f } }, 2 },
	{ "digit", { { '0', '9' } }, 1 },
	{ "graph", { { '!', '~' } }, 1 },
	{ "lower", { { 'a', 'z' } }, 1 },
	{ "print", { { ' ', '~' } }, 1 },
	{ "punct", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } }, 4 },
	{ "space", { { '\t', '\r' }, { ' ', ' ' } }, 2 },
	{ "upper", { { 'A', 'Z' } }, 1 },
	{ "word", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
	{ "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } }, 3 },
};

const struct named_class *named_class_perl(char letter, bool *ret_negated)
{
	for (size_t i = 0; i < ARRAY_SIZE(perl_classes); i++) {
		if ((letter | 0x20) != *perl_classes[i].name)
			continue;
		*ret_negated = !(letter & 0x20);
		return &perl_classes[i];
	}
	return NULL;
}

const struct named_class *named_class_posix(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(posix_classes); i++)
		if (strlen(posix_classes[i].name) == n && !strncmp(posix_classes[i].name, name, n))
			return &posix_classes[i];
	return NULL;
}
