/* SPDX-License-Identifier: Apache-2.0 */
/* What libhidden exports to cpu_cpp; its other names are only in its debug file. */
#ifndef WORKLOAD_HIDDEN_H
#define WORKLOAD_HIDDEN_H

namespace hidden
{
/* hidden::enter -> hidden::Mixer<unsigned long>::churn -> hidden::(anonymous)::grind<int> */
__attribute__((visibility("default"))) void enter(unsigned long n);
} // namespace hidden

#endif
