/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the list of devices that are not asked for a while. */
#include "proc/quarantine.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

void quarantine_init(struct quarantine *q)
{
	struct stat st;

	*q = (struct quarantine){ 0 };
	if (stat("/", &st) == 0) {
		q->root_major = major(st.st_dev);
		q->root_minor = minor(st.st_dev);
	}
}

static bool is_root(const struct quarantine *q, uint32_t major, uint32_t minor)
{
	return major == q->root_major && minor == q->root_minor;
}

bool quarantine_add(struct quarantine *q, uint32_t major, uint32_t minor, uint32_t pid,
	bool timed_out, uint64_t now_ns)
{
	struct quarantine_entry *oldest = &q->entries[0];
	uint32_t for_pid = is_root(q, major, minor) ? pid : 0;

	for (size_t i = 0; i < QUARANTINE_DEVICES; i++) {
		struct quarantine_entry *e = &q->entries[i];

		if (e->until_ns > now_ns && e->major == major && e->minor == minor &&
			e->pid == for_pid && e->timed_out == timed_out) {
			e->until_ns = now_ns + QUARANTINE_NS;
			return false;
		}
		if (e->until_ns < oldest->until_ns)
			oldest = e;
	}
	*oldest = (struct quarantine_entry){ .major = major,
		.minor = minor,
		.pid = for_pid,
		.timed_out = timed_out,
		.until_ns = now_ns + QUARANTINE_NS };
	return true;
}

bool quarantine_holds(
	const struct quarantine *q, uint32_t major, uint32_t minor, uint32_t pid, uint64_t now_ns)
{
	for (size_t i = 0; i < QUARANTINE_DEVICES; i++) {
		const struct quarantine_entry *e = &q->entries[i];

		if (e->timed_out && e->until_ns > now_ns && e->major == major &&
			e->minor == minor && (e->pid == 0 || e->pid == pid))
			return true;
	}
	return false;
}
