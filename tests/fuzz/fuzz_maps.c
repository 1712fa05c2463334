/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: proc isolate base
/* maps and mountinfo: names in both are anybody's. */
#include <stdlib.h>
#include <string.h>
#include "proc/maps.h"
#include "proc/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int each_mapping(void *userdata, const struct maps_entry *e)
{
	char path[4096], small[3];
	bool deleted;

	(void)userdata;
	if (e->end <= e->start || strlen(maps_path(e, path, sizeof(path), &deleted)) > e->path_n ||
		strlen(maps_path(e, small, sizeof(small), NULL)) >= sizeof(small))
		abort();
	return 0;
}

static int each_mount(void *userdata, const struct mount_entry *e)
{
	char point[256];

	(void)userdata;
	if (mounts_point(e, point, sizeof(point)) == 0 && strlen(point) > e->point_n)
		abort();
	(void)mount_type_refused(e->type);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct mount_entry e;
	unsigned skipped;

	(void)maps_parse(text, size, false, each_mapping, NULL, &skipped);
	(void)mounts_parse(text, size, each_mount, NULL);
	(void)mounts_refused_above(text, size, "/home/x/y", &e);
	return 0;
}
