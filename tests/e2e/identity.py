#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which process is it: numbers used again, foreign mount and PID namespaces, profd in one of its own, a process
without its leader."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import lib
from lib import burner, check, check_equal, children_of, count, dump, names_of


def fork_as(pid, program, *words):
    """Starts the program under that number, or returns None."""
    try:
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(pid - 1))
            f.flush()
            child = os.fork()
    except OSError as e:
        raise lib.Skip(f"ns_last_pid: {e.strerror}")
    if child == 0:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        if os.getpid() != pid:
            os._exit(77)
        os.execv(program, [program, *words])
    if child != pid:
        os.waitpid(child, 0)
        return None
    return child


def test_reused_pid(bench):
    """Two lives of one number: an attachment is of the first alone, names are each its own."""
    daemon = bench.daemon()
    first_path, second_path = bench.path("first"), bench.path("second")
    shutil.copy(bench.workload("short_lived"), first_path)
    shutil.copy(bench.workload("cpu_tree"), second_path)
    for attempt in range(5):
        first = subprocess.Popen([first_path, "1.5"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        bench.ok(daemon, "attach", "--pid", first.pid, "-F", 997)
        if attempt == 0:
            bench.ok(daemon, "attach", "--all", "-F", 499)
        first.wait()
        second = None
        for _ in range(50):
            second = second or fork_as(first.pid, second_path, "1.5")
        if second:
            break
    else:
        raise lib.Skip("the number was always taken by others")
    mine = [a["id"] for a in json.loads(bench.ok(daemon, "ps", "--json").out)["attachments"]
            if a["target"] == f"--pid {first.pid}"]
    before = {a["id"]: a["samples"] for a in json.loads(bench.ok(daemon, "ps", "--json").out)["attachments"]}
    os.waitpid(second, 0)
    after = {a["id"]: a["samples"] for a in json.loads(bench.ok(daemon, "ps", "--json").out)["attachments"]}
    for a in mine:
        check(after.get(a, before.get(a, 0)) - before.get(a, 0) <= 5, "the second life was sampled by the first's")
    samples = dump(bench, daemon, "--pid", first.pid)
    for comm, path, own, other in (("first", first_path, "short_work", "spin_leaf"),
                                   ("second", second_path, "spin_leaf", "short_work")):
        part = [s for s in samples if s[2]["comm"] == comm]
        work = [s for s in part if "main" in s[1] and path in s[3]]
        print(f"    {comm}: {count(part)} samples, main in {count(work)}")
        check(count(work) > 0.9 * count(part) > 0, f"main in {count(work)} of {count(part)} of {comm}")
        check(own in names_of(part), f"no {own} in {comm}")
        check(other not in names_of(part), f"{other} in {comm}")


def test_targets_in_other_namespaces(bench):
    """The program's path names another file, or none, in profd's own root."""
    lib.need("unshare", "chroot")
    daemon = bench.daemon()
    path, real = bench.path("same"), bench.path("real")
    shutil.copy(bench.workload("cpu_tree"), path)      # what profd would find there
    shutil.copy(bench.workload("short_lived"), real)
    root = bench.path("root")
    os.mkdir(root)
    shutil.copy(bench.workload("cpu_static"), os.path.join(root, "prog"))
    bench.ok(daemon, "attach", "--all", "-F", 499)
    bound = bench.start("unshare", "-mpf", "--mount-proc", "--kill-child", "sh", "-c",
                        f"mount --bind {real} {path} && {path} 3", stdout=subprocess.DEVNULL)
    rooted = bench.start("unshare", "-mpf", "--kill-child", "chroot", root, "/prog", "3",
                         stdout=subprocess.DEVNULL)
    bound.wait()
    rooted.wait()
    check_equal((bound.returncode, rooted.returncode), (0, 0), "the targets' exit codes")
    for what, child, own, other in (("bound", bound, "short_work", "spin_leaf"),
                                    ("rooted", rooted, "spin_leaf", "short_work")):
        samples = [s for s in dump(bench, daemon, "--pid", child.pid)
                   if s[2]["comm"] == ("same" if what == "bound" else "prog")]
        work = count([s for s in samples if "main" in s[1]])
        print(f"    {what}: {count(samples)} samples, main in {work}, files "
              f"{sorted({f for s in samples for f in s[3]})[:4]}")
        check(work > 0.9 * count(samples) > 0, f"main in {work} of {count(samples)} of {what}")
        check(own in names_of(samples), f"no {own} in {what}")
        check(other not in names_of(samples), f"{other}, of another file, in {what}")


def test_profd_in_a_pid_namespace(bench):
    """Numbers are those of profd's namespace; what is outside of it does not exist for it."""
    lib.need("unshare", "nsenter")
    outside = burner(bench)
    wrap = ["unshare", "-pf", "--kill-child", "--mount-proc"]
    try:
        daemon = bench.daemon(wrap=wrap)
    except AssertionError as e:
        check_equal(bench.daemons[-1].process.wait(20), 7, f"refused, but with another code: {e}")
        print("    refused:", bench.daemons[-1].log.strip())
        return
    inner = children_of(daemon.process.pid)[0]
    try:
        inside_a_pid_namespace(bench, daemon, ["nsenter", "-t", str(inner), "-p", "-m"], outside)
    finally:
        os.kill(inner, signal.SIGTERM) # unshare passes nothing on
        check_equal(daemon.process.wait(20), 0, "profd's exit status")


def inside_a_pid_namespace(bench, daemon, enter, outside):
    path = bench.path("inner.pb.gz")
    r = subprocess.run([*enter, bench.profctl_path, "record", "-F", "997", "-o", path, "--",
                        "sh", "-c", f"echo $$; exec {bench.workload('short_lived')} 1"],
                       env=bench.env(daemon), capture_output=True, text=True, timeout=60)
    check_equal(r.returncode, 0, r.stderr)
    functions, _ = lib.truth_of(r.stdout)
    samples = [s for s in bench.profile(path).samples if s[2]["comm"] == "short_lived"]
    check_equal({s[2]["pid"] for s in samples}, {r.stdout.splitlines()[0]}, "pid")
    work = count([s for s in samples if s[1][:1] == ["short_work"]])
    wanted = functions["short_work"]["self_ns"] * 997 / 1e9
    print(f"    {work} samples of short_work, {wanted:.0f} expected")
    check(abs(work - wanted) <= lib.Z * wanted ** 0.5 + 0.02 * wanted, "samples inside")
    # One outside, named by a pidfd: it has no number there.
    bench.profctl(daemon, "attach", "--pid", outside.pid).one_line(4, "no process")
    inside = subprocess.Popen([*enter, bench.workload("short_lived"), "10"], stdout=subprocess.DEVNULL)
    bench.children.append(inside)
    r = subprocess.run([*enter, bench.profctl_path, "dump", "--all", "--seconds", "1", "-o", path],
                       env=bench.env(daemon), capture_output=True, text=True, timeout=60)
    check_equal(r.returncode, 0, r.stderr)
    seen = {s[2]["pid"] for s in bench.profile(path).samples if s[2]["comm"] == "short_lived"}
    check_equal(len(seen), 1, "short_lived is seen inside, the one outside is not")
    check(daemon.alive(), "the daemon is gone")


def test_a_process_without_its_leader(bench):
    """main() ended by pthread_exit(): the others' samples stay located and named, also when it was attached
    after that, and when a thread that does not lead makes the process another program."""
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", "-F", 997, "-o", path, "--", bench.workload("leaderless"), 2.5,
                 bench.workload("short_lived"), 1.5)
    functions, facts = lib.truth_of(r.out)
    samples = bench.profile(path).samples
    for name in ("orphan_work", "short_work"):
        work = count([s for s in samples if s[1][:1] == [name]])
        wanted = functions[name]["self_ns"] * 997 / 1e9
        print(f"    {name}: {work} samples, {wanted:.0f} expected")
        check(abs(work - wanted) <= lib.Z * wanted ** 0.5 + 0.02 * wanted, f"{name}'s samples")
    check("lost" not in r.err, r.err)
    late = bench.start(bench.workload("leaderless"), "20", stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    bench.ok(daemon, "attach", "--pid", late.pid, "-F", 997)
    time.sleep(1.5)
    samples = dump(bench, daemon, "--pid", late.pid)
    work = count([s for s in samples if s[1][:1] == ["orphan_work"]])
    check(work > 0.9 * count(samples) > 0, f"orphan_work in {work} of {count(samples)}")
    time.sleep(1)
    check(str(late.pid) in bench.ok(daemon, "ps").out, "detached while it runs")
    late.kill()
    late.wait()
    lib.wait_until(lambda: str(late.pid) not in bench.ok(daemon, "ps").out, 10, "detaching at its end")


sys.exit(lib.main(globals()))
