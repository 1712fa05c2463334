/* SPDX-License-Identifier: Apache-2.0 */
/* profctl: verbs.c has what it can do, program.c the way there. */
#include "client/verb.h"

int main(int argc, char **argv)
{
	return program_main(&profctl_program, NULL, argc, argv);
}
