#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Profiles against programs that know where their time went: C, C++ with a stripped library whose debug
file lies elsewhere, Go, several executable segments, static. Each through profctl report and through
go tool pprof."""
import os
import shutil
import subprocess
import sys

import lib
from lib import check, check_equal, check_share


# So many samples that an error of two percentage points fails (docs/TESTING.md).
FREQ = 9973


def record(bench, *words, freq=FREQ, out="cpu.pb.gz"):
    """profctl record of a workload by a daemon of its own: the profile's path, functions, facts."""
    path = bench.path(out)
    daemon = bench.daemons[0] if bench.daemons else bench.daemon()
    r = bench.ok(daemon, "record", "-F", freq, "-o", path, "--", *words)
    functions, facts = lib.truth_of(r.out)
    return path, functions, facts


def samples_of(profile, comm):
    return [s for s in profile.samples if s[2].get("comm") == comm]


def compare(bench, path, functions, facts, comm, freq=FREQ, rename=lambda name: name):
    """Self and cumulative share of every function, in the profile itself, in report, in go tool pprof."""
    profile = bench.profile(path)
    mine = samples_of(profile, comm)
    n = sum(s[0][0] for s in mine)
    total = facts["total_ns"]
    # What the workload could not attribute: outside of its functions, it says so by the difference.
    clock_error = abs(total - max(f["cum_ns"] for f in functions.values())) / total
    report = lib.report_top(bench, path)
    go, warnings = lib.go_top(path)
    check_equal([w for w in warnings.splitlines() if "arning" in w or "ymboliz" in w], [],
                "go tool pprof warns")
    all_ns = sum(s[0][-1] for s in profile.samples)
    for name, fact in functions.items():
        shown = rename(name)
        own = sum(s[0][0] for s in mine if s[1] and s[1][0] == shown)
        cum = sum(s[0][0] for s in mine if shown in s[1])
        check_share(f"{name} self", own, n, fact["self_ns"] / total, clock_error)
        check_share(f"{name} cum", cum, n, fact["cum_ns"] / total, clock_error)
        if cum == 0:
            continue
        # The two readers must say what the profile holds, to the last digit that they print.
        flat_ns = sum(s[0][-1] for s in profile.samples if s[1] and s[1][0] == shown)
        cum_ns = sum(s[0][-1] for s in profile.samples if shown in s[1])
        check(shown in go, f"go tool pprof does not show {shown}: {sorted(go)[:40]}")
        check(abs(go[shown][0] - flat_ns) <= 1 and abs(go[shown][1] - cum_ns) <= 1,
              f"go tool pprof says {go[shown]} of {shown}, not {flat_ns}, {cum_ns}")
        check(shown in report, f"profctl report does not show {shown}: {sorted(report)[:40]}")
        check(abs(report[shown][1] - 100 * cum_ns / all_ns) < 0.01,
              f"profctl report says {report[shown]} of {shown}, not {100 * cum_ns / all_ns}")
    # Ticks of cpu-clock are periodic, so the square root of their number is an upper bound of the error;
    # the truth's clock starts in main(), what exec and the loader took is in the profile as well.
    inside = sum(s[0][0] for s in mine if "main" in s[1] or "main.worker" in s[1])
    wanted = total * freq / 1e9
    bound = lib.Z * wanted ** 0.5 + clock_error * wanted + 1
    print(f"    samples {inside}, rate x CPU seconds {wanted:.0f} +- {bound:.0f}")
    check(abs(inside - wanted) <= bound, f"{inside} samples, not {wanted:.0f} +- {bound:.0f}")


def test_c(bench):
    path, functions, facts = record(bench, bench.workload("cpu_tree"), 8)
    compare(bench, path, functions, facts, "cpu_tree")


def test_cpp_with_a_stripped_library_and_its_debug_file_elsewhere(bench):
    debug = bench.workload("debug/.build-id")
    for folder, _, files in os.walk(debug):
        for name in files:
            place = os.path.join("/usr/lib/debug/.build-id", os.path.basename(folder))
            os.makedirs(place, exist_ok=True)
            shutil.copy(os.path.join(folder, name), place)
            bench.cleanup.append(os.path.join(place, name))
    path, functions, facts = record(bench, bench.workload("cpu_cpp"), 8)
    compare(bench, path, functions, facts, "cpu_cpp")


def test_go(bench):
    path, functions, facts = record(bench, bench.workload("cpu_go"), 8)
    compare(bench, path, functions, facts, "cpu_go")


def test_go_stripped(bench):
    lib.need("strip")
    stripped = bench.path("cpu_go_s")
    shutil.copy(bench.workload("cpu_go"), stripped)
    subprocess.run(["strip", "-s", stripped], check=True)
    path, functions, facts = record(bench, stripped, 6)
    compare(bench, path, functions, facts, "cpu_go_s")
    lines = [l for s in samples_of(bench.profile(path), "cpu_go_s") for l in s[1]]
    check("main.inlined" in lines, "the inlined function is not shown in a stripped Go program")


def test_several_executable_segments(bench):
    path, functions, facts = record(bench, bench.workload("multiseg"), 5)
    profile = bench.profile(path)
    mine = samples_of(profile, "multiseg")
    n = sum(s[0][0] for s in mine)
    for name, fact in functions.items():
        own = sum(s[0][0] for s in mine if s[1] and s[1][0] == name)
        check_share(name, own, n, fact["self_ns"] / facts["total_ns"],
                    1 - sum(f["self_ns"] for f in functions.values()) / facts["total_ns"] +
                    0.01 * (facts["total_ns"] < 1e9))


def test_not_pie_and_static(bench):
    path, functions, facts = record(bench, bench.workload("cpu_static"), 6)
    compare(bench, path, functions, facts, "cpu_static")


def test_both_ends_of_the_rates(bench):
    daemon = bench.daemon()
    for freq, seconds in ((1, 4), (10000, 3)):
        path = bench.path(f"{freq}.pb.gz")
        r = bench.ok(daemon, "record", "-F", freq, "-o", path, "--", bench.workload("cpu_tree"),
                     seconds)
        _, facts = lib.truth_of(r.out)
        n = sum(s[0][0] for s in samples_of(bench.profile(path), "cpu_tree"))
        wanted = facts["total_ns"] * freq / 1e9
        # not_run is the kernel's loss, at most what the daemon says of it
        print(f"    {freq} Hz: {n} samples, rate x CPU seconds {wanted:.0f}")
        check(abs(n - wanted) <= lib.Z * wanted ** 0.5 + 2 + 0.02 * wanted * (freq > 1000),
              f"{freq} Hz: {n} samples, not {wanted:.0f}")


sys.exit(lib.main(globals()))
