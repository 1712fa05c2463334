// SPDX-License-Identifier: Apache-2.0
// A library whose symbols are taken away at build time (split_debug.sh); see cpu_cpp.cpp.
#include "hidden.h"
#include "workload.h"

namespace hidden
{

namespace
{
template <typename T> FRAME void grind(T times)
{
	burn((unsigned long)times * UNIT);
}
} // namespace

template <typename T> struct Mixer {
	FRAME void churn(T n)
	{
		burn(n);
		grind<int>(2);
	}
};

template struct Mixer<unsigned long>;

void enter(unsigned long n)
{
	Mixer<unsigned long>().churn(n);
}

} // namespace hidden
