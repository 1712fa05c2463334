/* SPDX-License-Identifier: Apache-2.0 */
/* Owns nothing; see option_binding.h. */
#include "client/option_binding.h"

#include <assert.h>
#include "client/commands.h"
#include "client/options.h"

static void put(const struct option_binding *b, int id, const char *value)
{
	while (b->id != OPTION_END && b->id != id)
		b++;
	assert(b->id == id); /* what is in the verb's table is bound */
	if (b->flag)
		*b->flag = true;
	else
		*b->word = value;
}

int option_bindings_parse(const struct option_binding *bindings, const char *verb, int argc,
	char **argv, struct error *error)
{
	struct options options = OPTIONS_INIT(running_verb(verb), argc, argv);
	int id;

	while ((id = options_next(&options, error)) != OPTION_END) {
		if (id < 0)
			return id;
		if (id == OPTION_OPERAND)
			return unexpected_operand(options.verb, options.value, error);
		put(bindings, id, options.value);
	}
	return 0;
}
