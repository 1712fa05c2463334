/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: session wire proc isolate base
/* A Target as a peer may send it. What is accepted keeps its promises: it equals itself, it can be
 * written, and matching hostile names ends. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "session/group_file.h"
#include "session/target.h"
#include "wire/profd.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool descends(void *userdata, uint32_t pid)
{
	(void)userdata;
	return pid & 1;
}

static void check(const struct target_spec *t)
{
	char *text = target_spec_format(t);

	if (!text)
		abort();
	assert(target_spec_equal(t, t));
	assert(target_spec_empty(t) == !text[0] || t->no_children);
	assert(t->n_pids <= LIMIT_PIDS && t->n_below <= LIMIT_PIDS);
	for (size_t i = 1; i < t->n_pids; i++)
		assert(t->pids[i - 1].pid < t->pids[i].pid);
	for (size_t i = 0; i < t->n_cgroups; i++)
		assert(t->cgroups[i][0] == '/' && !strstr(t->cgroups[i], "//"));
	struct target_candidate c = {
		.pid = 1, .comm = text, .exe = text, .cgroup = text, .descends = descends
	};
	(void)target_spec_matches(t, &c);
	c.cgroup = t->n_cgroups > 0 ? t->cgroups[0] : "/";
	c.exe = t->n_exes > 0 ? t->exes[0] : "";
	bool matches = target_spec_matches(t, &c);
	if (t->n_below == 0 && (t->all || t->n_cgroups > 0 || t->n_exes > 0))
		assert(matches);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	Profd__V1__Target *w = profd__v1__target__unpack(NULL, n, data);
	struct error error = ERROR_INIT;
	struct target_spec t;
	gid_t gid;

	(void)group_file_find((const char *)data, n, "profd", &gid);
	if (!w)
		return 0;
	if (target_spec_from_wire(&t, w, NULL, 0, &error) == 0) {
		check(&t);
		target_spec_deinit(&t);
	} else {
		assert(error.code != EXIT_CODE_OK && error.text[0]);
	}
	profd__v1__target__free_unpacked(w, NULL);
	return 0;
}
