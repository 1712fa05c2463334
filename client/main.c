/* SPDX-License-Identifier: Apache-2.0 */
#include "client/verb.h"

int main(int argc, char **argv)
{
	return program_main(&profctl_program, NULL, argc, argv);
}
