#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""waits.py OFFCPU MUTEX TRUTH: what the guest's threads were off the CPU, by path, against their own clocks;
and whether the one that unlocks is charged with the wait for the mutex."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import pprofile  # noqa: E402


SHORTEST_NS = 1_900_000  # 2 ms, without the way into and out of it


def of(profile, name, value=-1):
    return sum(values[value] for values, stack, *_ in profile.samples if name in stack)


def main():
    offcpu, mutex = pprofile.Profile(sys.argv[1]), pprofile.Profile(sys.argv[2])
    with open(sys.argv[3], encoding="utf-8") as f:
        truth = [json.loads(line) for line in f if line.startswith("{")]
    good = len(truth) == 4
    for t in truth:
        # Interrupts, which take long in emulation, are neither CPU time of the thread nor off the CPU; what
        # surrounds a wait may be off the CPU too. No wait is shorter than asked for.
        seen, events = of(offcpu, t["wait"]), of(offcpu, t["wait"], 0)
        good &= events >= t["voluntary"] and seen >= t["voluntary"] * SHORTEST_NS
        print(f"{t['wait']}: {seen / 1e6:.1f} ms of {t['wall_ns'] / 1e6:.1f} ms, {events} times of "
              f"{t['voluntary']} + {t['involuntary']}")
    waited, charged = of(offcpu, "path_mutex"), of(mutex, "release_mutex")
    print(f"release_mutex: {charged / 1e6:.1f} ms of {waited / 1e6:.1f} ms")
    # What is charged ends with the waking, what is waited with the CPU.
    good &= 0 < charged <= waited
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
