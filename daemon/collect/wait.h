/* SPDX-License-Identifier: Apache-2.0 */
/* What a record of the kernel side says of time (struct wait_record), for series and slots. Pure.
 */
#ifndef PROFD_COLLECT_WAIT_H
#define PROFD_COLLECT_WAIT_H

#include "bpf/abi.h"
#include "collect/slots.h"

#define WAIT_WAKER 32

/* Adds the facts to the key; the waker's name is the caller's to intern. */
void wait_key(const struct sample_record *record, struct series_key *key);
/* The label `waker`: a thread's comm, "irq:NN", "irq", "". */
void wait_waker(const struct sample_record *record, char name[static WAIT_WAKER]);
/* The time that the record tells; false: it tells of none. Of an event set: of the thread on a CPU.
 */
bool wait_span(const struct sample_record *record, struct span *ret);
/* The time on a CPU that it says nobody tells; false: none. */
bool wait_unsampled(const struct sample_record *record, struct span *ret);

#endif
