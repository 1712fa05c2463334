/* SPDX-License-Identifier: Apache-2.0 OR (BSD-2-Clause AND GPL-2.0) */
/* A thread that was stopped at a sample, as stops.bpf.c leaves it for stops.c. */
#ifndef PROFD_TESTS_STOPS_STOPS_H
#define PROFD_TESTS_STOPS_STOPS_H

#include "bpf/abi.h"

struct stop {
	__abi_u32 is_taken; /* the rest is valid */
	__abi_u32 tid, n, reason;
	__abi_u64 frames[ABI_USER_FRAMES]; /* leaf first, as they are recorded */
};

#endif
