/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices on which a request timed out, for ten minutes: asking again would cost a helper each
 * time. And which refusals were reported already. Bounded; the oldest is forgotten first.
 */
#ifndef PROFD_PROC_QUARANTINE_H
#define PROFD_PROC_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUARANTINE_DEVICES 64U
#define QUARANTINE_NS	   (600ULL * 1000000000ULL)

struct quarantine_entry {
	uint32_t major, minor;
	uint32_t pid; /* 0: whoever asks */
	bool timed_out;
	uint64_t until_ns;
};

struct quarantine {
	struct quarantine_entry entries[QUARANTINE_DEVICES];
	uint32_t root_major, root_minor; /* of profd's own root */
};

/* Finds profd's own root device. */
void quarantine_init(struct quarantine *q);
/* True when it was new, and so is to be reported. A device that is profd's own root is noted for
 * this process only: the path to a file there may have led through a mount of the process's own. */
bool quarantine_add(struct quarantine *q, uint32_t major, uint32_t minor, uint32_t pid,
	bool timed_out, uint64_t now_ns);
/* Requests for files of this device by way of this process are not to be made. */
bool quarantine_holds(
	const struct quarantine *q, uint32_t major, uint32_t minor, uint32_t pid, uint64_t now_ns);

#endif
