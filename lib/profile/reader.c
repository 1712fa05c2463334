/* SPDX-License-Identifier: Apache-2.0 */
/* Owns reading stacks one after the other, packed or laid out. Trusts the model's indices. */
#include "profile/reader.h"
#include "base/cleanup.h"

int profile_reader_init(struct profile_reader *r, const struct profile *p)
{
	*r = (struct profile_reader){ .profile = p };
	return p->packed ? packed_reader_init(&r->packed, p->packed) : 0;
}

void profile_reader_deinit(struct profile_reader *r)
{
	packed_reader_deinit(&r->packed);
}

const uint32_t *profile_reader_stack(
	struct profile_reader *r, uint32_t stack, uint32_t *ret_n, uint32_t *ret_shared)
{
	uint32_t shared = 0;

	if (r->packed.packed)
		return packed_reader_stack(&r->packed, stack, ret_n, ret_shared);
	const uint32_t *frames = profile_stack(r->profile, stack, ret_n);
	uint32_t most = MIN(*ret_n, r->last_n);
	while (shared < most && frames[*ret_n - shared - 1] == r->last[r->last_n - shared - 1])
		shared++;
	r->last = frames;
	r->last_n = *ret_n;
	*ret_shared = shared;
	return frames;
}
