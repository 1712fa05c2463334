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


def compare(bench, path, functions, facts, comm, root="main", freq=FREQ):
    """Self and cumulative share of every function below `root`, in the profile itself, in report, in go
    tool pprof. What comes before and after root (exec, the loader, exit) is not in the truth."""
    profile = bench.profile(path)
    mine = [s for s in samples_of(profile, comm) if root in s[1]]
    n = sum(s[0][0] for s in mine)
    total = functions[root]["cum_ns"]
    # The workload's calls of the clock are in its truth, but have no frame of the function they are for.
    clock_error = max(abs(facts["total_ns"] - total), facts.get("clock_ns", 0)) / total
    report = lib.report_top(bench, path)
    go, warnings = lib.go_top(path)
    check_equal([w for w in warnings.splitlines() if "arning" in w or "ymboliz" in w], [],
                "go tool pprof warns")
    all_ns = sum(s[0][-1] for s in profile.samples)
    for name, fact in functions.items():
        own = sum(s[0][0] for s in mine if s[1][0] == name)
        cum = sum(s[0][0] for s in mine if name in s[1])
        check_share(f"{name} self", own, n, fact["self_ns"] / total, clock_error)
        check_share(f"{name} cum", cum, n, fact["cum_ns"] / total, clock_error)
        if cum == 0:
            continue
        # The two readers must say what the profile holds, to the last digit that they print.
        flat_ns = sum(s[0][-1] for s in profile.samples if s[1] and s[1][0] == name)
        cum_ns = sum(s[0][-1] for s in profile.samples if name in s[1])
        check(name in go, f"go tool pprof does not show {name}: {sorted(go)[:40]}")
        check(abs(go[name][0] - flat_ns) <= 1 and abs(go[name][1] - cum_ns) <= 1,
              f"go tool pprof says {go[name]} of {name}, not {flat_ns}, {cum_ns}")
        check(name in report, f"profctl report does not show {name}: {sorted(report)[:40]}")
        for shown, ns in zip(report[name], (flat_ns, cum_ns)):
            share = 100 * ns / all_ns
            # From 99.95 % on both print 100 %.
            check(abs(shown - share) <= (0.05 if share >= 99.95 else 0.0051),
                  f"profctl report says {shown} % of {name}, not {share}")
    # Ticks of cpu-clock are periodic, so the square root of their number is an upper bound of the error.
    wanted = total * freq / 1e9
    bound = lib.Z * wanted ** 0.5 + clock_error * wanted + 1
    check_number(bench, path, n, wanted, bound)


def check_number(bench, path, n, wanted, bound):
    """not_run is the kernel's loss, and said: what was sampled and that together is the rate."""
    lost = lib.share_not_run(bench, path) * wanted
    print(f"    samples {n}, rate x CPU seconds {wanted:.0f} +- {bound:.0f}, not run {lost:.0f}")
    check(n <= wanted + bound and n + lost >= wanted - bound,
          f"{n} samples, {lost:.0f} not run, not {wanted:.0f} +- {bound:.0f}")


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
    compare(bench, path, functions, facts, "cpu_go", "main.worker")


def test_go_stripped(bench):
    lib.need("strip")
    stripped = bench.path("cpu_go_s")
    shutil.copy(bench.workload("cpu_go"), stripped)
    subprocess.run(["strip", "-s", stripped], check=True)
    path, functions, facts = record(bench, stripped, 6)
    compare(bench, path, functions, facts, "cpu_go_s", "main.worker")
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
    for freq, seconds in ((1, 8), (10000, 3)):
        path = bench.path(f"{freq}.pb.gz")
        r = bench.ok(daemon, "record", "-F", freq, "-o", path, "--", bench.workload("cpu_tree"),
                     seconds)
        _, facts = lib.truth_of(r.out)
        # Without a single sample no file is written.
        wanted = facts["total_ns"] * freq / 1e9
        bound = lib.Z * wanted ** 0.5 + 1
        if not os.path.exists(path):
            check(wanted <= bound, f"{freq} Hz: no sample, not {wanted:.0f}")
            continue
        n = sum(s[0][0] for s in samples_of(bench.profile(path), "cpu_tree"))
        check_number(bench, path, n, wanted, bound)


sys.exit(lib.main(globals()))
