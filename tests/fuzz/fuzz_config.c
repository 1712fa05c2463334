/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: service base
/* profd.conf: any bytes are either read, and then every value lies in its range, or refused with a
 * text. */
#include <assert.h>
#include <string.h>
#include "base/io.h"
#include "base/limits.h"
#include "service/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = ERROR_INIT;
	struct config c, before;
	_cleanup_close_ int fd = io_memfd("config");
	char path[64];
	int r;

	if (fd < 0 || io_write_full(fd, data, size) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config_init(&c);
	before = c;
	r = config_read(&c, path, true, &error);
	if (r < 0) {
		assert(error.text[0]);
		assert(!memcmp(&c, &before, sizeof(c)));
		return 0;
	}
	assert(c.freq_hz >= 1 && c.freq_hz <= 10000);
	assert(c.memory_bytes >= 16 * MIB && c.memory_bytes <= 64 * GIB);
	assert(c.ring_bytes >= 64 * KIB && c.ring_bytes <= 64 * MIB);
	assert(c.symbolizers >= 1 && c.symbolizers <= 16);
	assert(memchr(c.event, '\0', sizeof(c.event)) && c.event[0]);
	return 0;
}
