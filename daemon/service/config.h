/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profd.conf(5): sections and keys, defaults, units, ranges, in one table; read with libinih. An
 * error names file, line, key and value. Drop-ins FILE.d/NAME.conf are read after FILE, in order of
 * name.
 */
#ifndef PROFD_SERVICE_CONFIG_H
#define PROFD_SERVICE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

#define CONFIG_PATH "/etc/profd/profd.conf"

/* In the order of the words of Concurrent=. */
enum config_concurrent { CONCURRENT_ALLOW, CONCURRENT_WARN, CONCURRENT_REFUSE };

struct config {
	/* [Collect] */
	bool collect_cpu; /* Cpu=yes: cpu of everything, from the start */
	uint32_t freq_hz; /* Frequency=99 */
	char event[32];	  /* Event=cpu-clock */
	/* [History] */
	uint64_t history_ns;   /* History=1h */
	uint64_t memory_bytes; /* Memory=256M */
	/* [Kernel] */
	uint64_t ring_bytes;  /* RingBuffer=1M, of each CPU */
	uint64_t table_bytes; /* UnwindTables=64M */
	/* [Policy] */
	enum config_concurrent concurrent; /* Concurrent=warn: types that skew each other */
	/* [Limits] */
	uint32_t attachments_per_user; /* AttachmentsPerUser=8 */
	uint32_t symbolizers;	       /* Symbolizers=2: worker processes at once */
};

void config_init(struct config *c);
/* `must_exist` false: a missing file is fine and leaves defaults. 0, -EINVAL, -errno. */
int config_read(struct config *c, const char *path, bool must_exist, struct error *error);

struct config_key {
	const char *section, *key, *fallback, *unit, *range, *text;
};
/* The table: for profd.conf(5), the shipped file and their test. */
const struct config_key *config_keys(size_t *ret_n);

#endif
