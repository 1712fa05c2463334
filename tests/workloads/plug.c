/* SPDX-License-Identifier: Apache-2.0 */
/* Built twice, as libplug_a.so and libplug_b.so: the same bytes but for the name of the function.
 */
#include "workload.h"

#define NAME2(n) plug_##n##_work
#define NAME(n)	 NAME2(n)

void NAME(PLUG)(void);

FRAME void NAME(PLUG)(void)
{
	burn(UNIT);
}
