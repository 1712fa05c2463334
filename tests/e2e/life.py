#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Right answers across the life of processes: the first milliseconds, fork and exec storms, threads, exit
before the dump, deleted binaries, dlclose, vfork, changed users, several rates and attachments."""
import json
import os
import shutil
import subprocess
import sys
import time

import lib
from lib import check, check_equal, check_share


def count(samples):
    return sum(s[0][0] for s in samples)


def with_comm(profile, comm):
    return [s for s in profile.samples if s[2].get("comm") == comm]


def test_record_sees_the_first_milliseconds(bench):
    """A program of 300 ms, from exec on: as many samples as its CPU time asks for."""
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", "-F", 10000, "-o", path, "--", bench.workload("short_lived"), "0.3")
    functions, facts = lib.truth_of(r.out)
    profile = bench.profile(path)
    work = [s for s in profile.samples if "short_work" in s[1]]
    wanted = functions["short_work"]["self_ns"] * 10000 / 1e9
    bound = lib.Z * wanted ** 0.5 + 2
    print(f"    {count(work)} samples, {wanted:.0f} +- {bound:.0f}")
    check(abs(count(work) - wanted) <= bound + 0.02 * wanted, "the beginning or the end is missing")
    loader = [s for s in profile.samples if any("_dl_" in f or "dl_main" in f for f in s[1])]
    check(count(loader) > 0, "nothing of the dynamic loader: the first millisecond is missing")


def test_storm_of_short_lived_children(bench):
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", "-F", 4999, "-o", path, "--", bench.workload("forkstorm"), 200, 8)
    functions, facts = lib.truth_of(r.out)
    profile = bench.profile(path)
    mine = with_comm(profile, "storm_child")
    n = count(mine)
    work = count([s for s in mine if "storm_work" in s[1]])
    wanted = functions["storm_work"]["self_ns"] * 4999 / 1e9
    print(f"    {facts['children']} children, {n} samples; storm_work {work}, {wanted:.0f} expected")
    check(abs(work - wanted) <= lib.Z * wanted ** 0.5 + 0.01 * wanted, "storm_work's samples")
    named = count([s for s in mine if any(m.endswith("/storm_child") for m in s[3])])
    user = count([s for s in mine if any(not m.startswith("[") for m in s[3])])
    print(f"    with the right executable or library: {named} + of {user} with a user stack")
    unknown = count([s for s in mine if "[unknown]" in s[1][:1]])
    check(unknown <= 0.01 * n, f"{unknown} of {n} samples have an unknown leaf")
    in_own = [s for s in mine if s[3] and s[3][0].endswith("/storm_child")]
    check(count([s for s in in_own if s[1][0] in ("storm_work", "main", "_start", "thread_ns")]) >=
          0.99 * count(in_own), "a function of their own binary is not named")


def test_dump_after_exit_and_unlink(bench):
    daemon = bench.daemon()
    program = bench.path("gone")
    shutil.copy(bench.workload("short_lived"), program)
    bench.ok(daemon, "attach", "-F", 997, "--comm", "gone")
    child = bench.start(program, "1", "--unlink", stdout=subprocess.PIPE, text=True)
    functions, facts = lib.truth_of(child.communicate()[0])
    check(not os.path.exists(program), "the workload was to remove itself")
    time.sleep(0.3)
    path = bench.path("p.pb.gz")
    bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
    samples = bench.profile(path).samples
    n = count(samples)
    work = count([s for s in samples if s[1][:1] == ["short_work"]])
    wanted = functions["short_work"]["self_ns"] * 997 / 1e9
    print(f"    {n} samples, short_work {work}, expected {wanted:.0f}")
    check(abs(work - wanted) <= lib.Z * wanted ** 0.5 + 2, "short_work's samples")


def test_binary_replaced_meanwhile(bench):
    daemon = bench.daemon()
    program = bench.path("swapped")
    shutil.copy(bench.workload("short_lived"), program)
    bench.ok(daemon, "attach", "-F", 499, "--comm", "swapped")
    child = bench.start(program, "2", stdout=subprocess.DEVNULL)
    time.sleep(1)
    shutil.copy(bench.workload("cpu_tree"), program + ".new")
    os.rename(program + ".new", program)
    child.wait()
    path = bench.path("p.pb.gz")
    bench.ok(daemon, "dump", "--comm", "swapped", "-o", path)
    leaves = {s[1][0] for s in bench.profile(path).samples if s[3] and s[3][0].endswith("/swapped")}
    check("short_work" in leaves, f"the old program's function is not named: {leaves}")
    check(not leaves & {"spin_leaf", "branch_a", "work"}, f"named from the new file: {leaves}")


def test_exec_ends_what_was_before(bench):
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    tree, short = bench.workload("cpu_tree"), bench.workload("short_lived")
    bench.ok(daemon, "record", "-F", 1999, "-o", path, "--", "sh", "-c",
             f"{tree} 1 >/dev/null; exec {short} 1 >/dev/null")
    profile = bench.profile(path)
    for comm, own, other in (("cpu_tree", "spin_leaf", "short_work"),
                             ("short_lived", "short_work", "spin_leaf")):
        samples = with_comm(profile, comm)
        check(count([s for s in samples if own in s[1]]) > 200, f"{own} in {comm}")
        check_equal(count([s for s in samples if other in s[1]]), 0, f"{other} in {comm}")


def test_threads_carry_their_names(bench):
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", "-F", 997, "-o", path, "--", bench.workload("threads"), 3, 3)
    print("   ", r.out.strip().replace("\n", "\n    "))
    profile = bench.profile(path)
    names = {s[2].get("thread") for s in profile.samples}
    tids = {s[2].get("tid") for s in profile.samples}
    check(len(tids) >= 3, f"tids {tids}")
    check(len({n for n in names if n and n != "threads"}) >= 3, f"thread names {names}")
    check_equal(len({s[2].get("pid") for s in profile.samples}), 1, "pids")


def test_dlclose_and_dlopen_at_the_same_place(bench):
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", "-F", 997, "-o", path, "--", bench.workload("dlopener"), 4)
    functions, facts = lib.truth_of(r.out)
    profile = bench.profile(path)
    mine = with_comm(profile, "dlopener")
    n = count(mine)
    for name, fact in functions.items():
        own = count([s for s in mine if s[1] and s[1][0] == name])
        check_share(name, own, n, fact["self_ns"] / facts["total_ns"], 0.01)


def test_vfork(bench):
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", "-F", 1999, "-o", path, "--", bench.workload("vforker"), 3)
    functions, facts = lib.truth_of(r.out)
    print("   ", functions, facts)
    profile = bench.profile(path)
    wrong = [s for s in with_comm(profile, "storm_child") if s[3] and s[3][0].endswith("/vforker")]
    check_equal(count(wrong), 0, "samples of the child in its parent's binary after exec")
    for comm in ("vforker", "storm_child"):
        check(count(with_comm(profile, comm)) > 0, f"no sample of {comm}")


def test_depth_of_300_and_beyond_1024(bench):
    daemon = bench.daemon()
    for depth in (300, 2000):
        path = bench.path(f"{depth}.pb.gz")
        bench.ok(daemon, "record", "-F", 499, "-o", path, "--", bench.workload("deep"), depth, 1)
        # The kernel's frames of an interrupt come on top.
        deepest = max(sum(not f.startswith("[kernel") for f in s[3]) for s in bench.profile(path).samples)
        cut = {s[2].get("truncated") for s in bench.profile(path).samples}
        print(f"    depth {depth}: {deepest} frames, truncated {cut}")
        if depth < 1024:
            check(depth <= deepest <= depth + 12, f"{deepest} frames")
            check("depth" not in cut, "marked as too deep")
        else:
            check_equal(deepest, 1024, "frames")
            check("depth" in cut, "not marked as too deep")


def test_children_follow_unless_told(bench):
    daemon = bench.daemon()
    for flags, wanted in (((), True), (("--no-children",), False)):
        shell = bench.start("sh", "-c", f"sleep 1; {bench.workload('short_lived')} 1 >/dev/null; true")
        bench.ok(daemon, "attach", "-F", 997, "--pid", shell.pid, *flags)
        shell.wait()
        path = bench.path("p.pb.gz")
        r = bench.profctl(daemon, "dump", "--pid", shell.pid, *flags, "-o", path)
        seen = r.code == 0 and bool(with_comm(bench.profile(path), "short_lived"))
        check_equal(seen, wanted, f"children seen with {flags}")


def test_two_rates_do_not_disturb_each_other(bench):
    daemon = bench.daemon()
    child = bench.start(bench.workload("cpu_tree"), "6", stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    bench.ok(daemon, "attach", "--all", "-F", 99)
    time.sleep(1.5)
    bench.ok(daemon, "attach", "--pid", child.pid, "-F", 1999)
    time.sleep(2)
    bench.ok(daemon, "detach", "--pid", child.pid)
    functions, facts = lib.truth_of(child.communicate()[0])
    path = bench.path("p.pb.gz")
    bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
    profile = bench.profile(path)
    # The same CPU time by whichever rate covered it: nothing is counted twice and nothing is missing.
    ns = sum(s[0][-1] for s in profile.samples)
    wanted = facts["total_ns"]
    missed = 0.6e9 # before the first attachment
    n = count(profile.samples)
    print(f"    {n} samples, {ns / 1e9:.2f} s of {wanted / 1e9:.2f} s of CPU time")
    check(n > 3 * 99 * ns / 1e9, "the higher rate was not used")
    slack = lib.Z * (99 * 4) ** 0.5 / 99 * 1e9
    check(wanted - missed - slack <= ns <= wanted + slack, "CPU time is missing or counted twice")


def test_seconds_is_exact(bench):
    daemon = bench.daemon()
    child = bench.start(bench.workload("cpu_tree"), "20", stdout=subprocess.DEVNULL)
    path = bench.path("p.pb.gz")
    bench.ok(daemon, "dump", "--pid", child.pid, "--seconds", "2", "-F", "997", "-o", path)
    child.kill()
    n = count(bench.profile(path).samples)
    duration = json.loads(bench.ok(None, "convert", path, "-f", "json").out)["duration_nanos"]
    print(f"    {n} samples, duration {duration}")
    check(1.99e9 <= duration <= 2.2e9, f"duration {duration}")
    check(n <= duration * 997 / 1e9 + 2, f"{n} samples in {duration} ns")


def test_a_process_that_became_somebody_else_is_not_shown(bench):
    """uid 65534 sees a program it started and nothing else: not root's, and not one that root started and
    that took its uid without an exec (its memory may still hold what was root's)."""
    lib.need("setpriv")
    daemon = bench.daemon()
    os.chmod(bench.dir, 0o755)
    bench.ok(daemon, "attach", "--all", "-F", 499)
    dropper = bench.start(bench.workload("dropper"), "65534", "2", stdout=subprocess.PIPE, text=True)
    roots = bench.start(bench.workload("short_lived"), "2", stdout=subprocess.DEVNULL)
    own = bench.start("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                      bench.workload("short_lived"), "2", stdout=subprocess.DEVNULL)
    dropped = [json.loads(line).get("pid") for line in dropper.communicate()[0].splitlines()]
    roots.wait()
    own.wait()
    os.mkdir(bench.path("nobody"))
    os.chown(bench.path("nobody"), 65534, 65534)
    path = bench.path("nobody/p.pb.gz")
    bench.ok(daemon, "dump", "-o", path, uid=65534)
    profile = bench.profile(path)
    pids = {int(s[2]["pid"]) for s in profile.samples}
    check(own.pid in pids, f"its own process {own.pid} is not shown: {pids}")
    hidden = pids & {roots.pid, dropper.pid, *filter(None, dropped)}
    check(not hidden, f"shown to uid 65534: {hidden}")
    high = [a for s in profile.samples for a in s[4] if a >= 1 << 63]
    check_equal(high, [], "kernel addresses are shown to uid 65534")
    kernel = {n for s in profile.samples for n, f in zip(s[1], s[3]) if f == "[kernel.kallsyms]"}
    print(f"    kernel functions, by name only: {sorted(kernel)[:5]}")


sys.exit(lib.main(globals()))
