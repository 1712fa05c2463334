/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of profile types (types.h). Pure; it trusts no name of a request. */
#include "session/types.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/io.h"

int types_from_names(const char *const *names, size_t n, uint32_t *ret, struct error *error)
{
	char all[TYPES_TEXT], shown[40];
	uint32_t types = 0;

	for (size_t i = 0; i < n; i++) {
		int type = profile_type_find(names[i]);
		if (type < 0)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"no profile type %s: this daemon has %s",
				io_printable(names[i], shown, sizeof(shown)),
				types_format(UINT32_MAX, all, sizeof(all)));
		types |= 1U << type;
	}
	*ret = types ? types : 1U << PROFILE_CPU;
	return 0;
}

const char *types_format(uint32_t types, char *buf, size_t n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (int i = 0; i < PROFILE_TYPES_N && at < n; i++)
		if (types >> i & 1)
			at += (size_t)snprintf(buf + at, n - at, "%s%s", at ? ", " : "",
				profile_type_info((enum profile_type)i)->name);
	return buf;
}

int types_threshold(uint64_t threshold_ns, bool all, uint64_t *ret_ns, struct error *error)
{
	if (threshold_ns && all)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"a threshold of %llu ns, and to keep all: one of the two",
			(unsigned long long)threshold_ns);
	if (threshold_ns > TYPES_THRESHOLD_MAX_NS)
		return error_set(error, -EINVAL, EXIT_CODE_USAGE,
			"a threshold of %llu ns: at most a minute",
			(unsigned long long)threshold_ns);
	*ret_ns = all ? 0 : threshold_ns ? threshold_ns : TYPES_THRESHOLD_NS;
	return 0;
}

bool types_have_threshold(uint32_t types)
{
	return (profile_type_probes(types) & (PROBE_WAITS | PROBE_UNLOCKS)) != 0;
}

bool types_go_on(uint32_t types)
{
	return (profile_type_probes(types) & (PROBE_WAITS | PROBE_WALL)) != 0;
}

bool types_serve(uint32_t types, enum profile_type type)
{
	uint32_t needed = profile_type_info(type)->probes;

	return (profile_type_probes(types) & needed) == needed;
}

bool types_skew(uint32_t types)
{
	uint32_t probes = profile_type_probes(types);
	bool cpu = probes & PROBE_CPU, waits = probes & PROBE_WAITS;

	if (probes & PROBE_UNLOCKS)
		return cpu || waits;
	return cpu && waits && !(probes & PROBE_WALL);
}
