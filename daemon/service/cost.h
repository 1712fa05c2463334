/* SPDX-License-Identifier: Apache-2.0 */
/* What profd itself costs: CPU and resident memory of this process. Helpers' and programs' costs
 * are their owners' (isolate/helper.h, kernel/kernel.h). */
#ifndef PROFD_SERVICE_COST_H
#define PROFD_SERVICE_COST_H

#include <stdint.h>

struct cost {
	uint64_t cpu_ns;
	uint64_t rss_bytes;
};
void cost_self(struct cost *ret);

#endif
