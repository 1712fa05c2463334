/* SPDX-License-Identifier: Apache-2.0 */
// ROOMS: wire base
/* What a peer may send: the first byte says how the rest is cut into reads; frames are decoded as
 * requests and as replies, and what decodes is packed and may not decode to anything else. */
#include <assert.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/decode.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void round_trip(const uint8_t *p, size_t n)
{
	Profd__V1__Request *m = request_decode(p, n);

	if (m) {
		size_t size = profd__v1__request__get_packed_size(m);
		uint8_t *packed = malloc(size + 1);
		if (!packed)
			abort();
		assert(profd__v1__request__pack(m, packed) == size);
		Profd__V1__Request *again = request_decode(packed, size);
		/* protobuf-c keeps fields that it does not know, also those that it would not read
		 * back. */
		assert(!again || (again->body_case == m->body_case && again->id == m->id &&
					 request_n_fds(again) == request_n_fds(m)));
		request_free(again);
		free(packed);
	}
	request_free(m);
	reply_free(reply_decode(p, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct frame_in f = FRAME_IN_INIT;
	const uint8_t *p;
	size_t size;

	if (n == 0)
		return 0;
	size_t step = data[0] ? data[0] : n;
	for (size_t at = 1; at < n; at += step) {
		if (frame_in_feed(&f, data + at, MIN(step, n - at)) < 0)
			break;
		while (frame_in_next(&f, &p, &size) == 1)
			round_trip(p, size);
	}
	frame_in_deinit(&f);
	return 0;
}
