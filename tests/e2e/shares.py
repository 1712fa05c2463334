#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shares.py PROFILE.pb.gz TRUTH [COMM]: compares a profile, or of it the samples of COMM, with what a
workload of tests/workloads said of itself, by the bounds of lib.check_share(). For tests whose profile
comes out of a guest."""
import sys

import lib
from pprofile import Profile


def main(path, truth, comm=None):
    samples = [s for s in Profile(path).samples if comm in (None, s[2].get("comm"))]
    with open(truth, errors="replace") as f:
        functions, facts = lib.truth_of(f.read())
    lib.check(functions, "there is no truth")
    n, total = sum(s[0][0] for s in samples), facts["total_ns"]
    # What exec and the loader took belongs to the profile, but to no function; the guests are slow at it.
    clock_error = abs(total - max(f["cum_ns"] for f in functions.values())) / total + 0.005
    for name, fact in functions.items():
        own = sum(s[0][0] for s in samples if s[1] and s[1][0] == name)
        cum = sum(s[0][0] for s in samples if name in s[1])
        lib.check_share(f"{name} self", own, n, fact["self_ns"] / total, clock_error)
        lib.check_share(f"{name} cum", cum, n, fact["cum_ns"] / total, clock_error)


try:
    main(*sys.argv[1:])
except (AssertionError, OSError, ValueError, IndexError, KeyError) as error:
    print(f"FAIL: {sys.argv[1]}: {error}")
    sys.exit(1)
