#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `report --top` with `go tool pprof -top`, header, rows and numbers, for each profile.

usage: pprof_equal.py --top 'PROFCTL report --top' PROFILE...

The command is split at spaces; -n N, --cum and --sample-index T and the file are appended to it.
Exit status 0: all equal, 1: they differ (the lines are shown), 77: there is no `go tool pprof`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

SKIP = 77


def run(argv):
    # An empty PPROF_BINARY_PATH folder: pprof must not find binaries of this machine.
    with tempfile.TemporaryDirectory() as empty:
        env = dict(os.environ, PPROF_BINARY_PATH=empty, TZ="UTC", LC_ALL="C.UTF-8")
        done = subprocess.run(argv, env=env, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout, done.stderr


def table(text):
    """Header and rows; what profctl says below the rows is its own."""
    return text.split("\n\n", 1)[0].rstrip("\n").split("\n")


def sample_types(profile):
    _, out, _ = run(["go", "tool", "pprof", "-raw", profile])
    lines = out.split("\n")
    return [t.split("/")[0] for t in lines[lines.index("Samples:") + 1].split()]


def compare(top, profile, ours, pprofs):
    code, want, warning = run(["go", "tool", "pprof", "-top", *pprofs, profile])
    if code or warning:
        print(f"{profile}: go tool pprof says {warning.strip() or code}", file=sys.stderr)
        return False
    code, got, complaint = run([*top, *ours, profile])
    if code:
        print(f"{profile}: {' '.join(top + ours)}: {complaint.strip()}", file=sys.stderr)
        return False
    want, got = table(want), table(got)
    if want == got:
        return True
    print(f"{profile} {' '.join(ours)}: different", file=sys.stderr)
    for i in range(max(len(want), len(got))):
        a = want[i] if i < len(want) else "(nothing)"
        b = got[i] if i < len(got) else "(nothing)"
        if a != b:
            print(f"  pprof: {a}\n  ours:  {b}", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--top", required=True)
    parser.add_argument("profiles", nargs="+")
    args = parser.parse_args()
    if not shutil.which("go") or run(["go", "tool", "pprof", "-h"])[1:] == ("", ""):
        print("skipped: no go tool pprof", file=sys.stderr)
        return SKIP
    top = args.top.split()
    good = total = 0
    for profile in args.profiles:
        for kind in sample_types(profile):
            index = ["--sample-index", kind], [f"-sample_index={kind}"]
            for ours, pprofs in (
                ([], []),
                (["-n", "10"], ["-nodecount=10", "-nodefraction=0"]),
                (["-n", "3", "--cum"], ["-nodecount=3", "-nodefraction=0", "-cum"]),
                (["-n", "100000"], ["-nodecount=100000", "-nodefraction=0"]),
            ):
                total += 1
                good += compare(top, profile, index[0] + ours, index[1] + pprofs)
    print(f"{good} of {total} tables are equal")
    return 0 if good == total else 1


if __name__ == "__main__":
    sys.exit(main())
