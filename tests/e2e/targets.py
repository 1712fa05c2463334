#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every way to name a target: what runs already and what starts later, what is not meant, who may undo it,
when it ends by itself; and the labels and lists that tell one process from another."""
import json
import os
import shutil
import subprocess
import sys
import time

import lib
from lib import check, check_equal, count

NOBODY = 65534


def pids(bench, daemon, *words):
    """{pid: samples} of a dump."""
    path = bench.path("pids.pb.gz")
    r = bench.profctl(daemon, "dump", *words, "-o", path)
    if r.code == 8:
        return {}
    check_equal(r.code, 0, r.err)
    out = {}
    for sample in bench.profile(path).samples:
        pid = int(sample[2]["pid"])
        out[pid] = out.get(pid, 0) + sample[0][0]
    return out


def copy_of(bench, name, folder=""):
    """short_lived under another name, so that it is another file and another comm."""
    os.makedirs(bench.path(folder), exist_ok=True)
    path = os.path.join(bench.path(folder), name)
    shutil.copy(bench.workload("short_lived"), path)
    return path


def burn(bench, path, seconds="30", **kwargs):
    return bench.start(path, seconds, stdout=subprocess.DEVNULL, **kwargs)


def attached(bench, daemon):
    return json.loads(bench.ok(daemon, "ps", "--json").out)["attachments"]


def sees(bench, daemon, wanted, unwanted=(), words=()):
    """Waits until samples of all wanted are there, then none may be of the unwanted."""
    wanted = {c.pid for c in wanted}
    lib.wait_until(lambda: wanted <= set(pids(bench, daemon, *words)), 20, f"samples of {wanted}")
    seen = pids(bench, daemon, *words)
    wrong = {c.pid for c in unwanted} & set(seen)
    check(not wrong, f"samples of {wrong}, which are not meant")


def test_exe(bench):
    """By the file, not by its name: what runs already, what starts later, what is reached by a link."""
    daemon = bench.daemon()
    mine, other = copy_of(bench, "prog", "a"), copy_of(bench, "prog", "b")
    early, wrong = burn(bench, mine), burn(bench, other)
    bench.ok(daemon, "attach", "-F", 499, "--exe", mine)
    late, wrong_late = burn(bench, mine), burn(bench, other)
    os.symlink(mine, bench.path("link"))
    by_link = burn(bench, bench.path("link"))
    sees(bench, daemon, [early, late, by_link], [wrong, wrong_late])
    bench.profctl(daemon, "attach", "--exe", bench.path("no/such")).one_line(4, "no/such")
    bench.profctl(daemon, "attach", "--exe", bench.dir).one_line(4, bench.dir)
    bench.profctl(daemon, "attach", "--exe", "prog").one_line(2, "absolute")


def test_exe_replaced(bench):
    """The file at the path is another after a build: what runs that is meant, too, by whichever of two paths."""
    daemon = bench.daemon()
    paths = [copy_of(bench, "built", folder) for folder in ("one", "two")]
    early = [burn(bench, path) for path in paths]
    bench.ok(daemon, "attach", "-F", 499, "--exe", paths[0], "--exe", paths[1])
    sees(bench, daemon, early)
    for path in paths:
        shutil.copy(path, path + ".new")
        os.rename(path + ".new", path)
    # started at once, before it can have been noticed, and later
    soon = [burn(bench, path) for path in paths]
    sees(bench, daemon, soon)
    late = [burn(bench, path) for path in paths]
    wrong = burn(bench, copy_of(bench, "built", "three"))
    sees(bench, daemon, early + late, [wrong])
    bench.ok(daemon, "detach", "--exe", paths[0], "--exe", paths[1])
    time.sleep(2.5)
    check(daemon.alive(), "the daemon is gone")


def cgroup2():
    with open("/proc/self/mountinfo") as f:
        for line in f:
            if " - cgroup2 " in line:
                return line.split()[4]
    raise lib.Skip("no cgroup v2 is mounted")


class Group:
    """A cgroup of the test's own."""

    def __init__(self, bench, name):
        self.path = os.path.join(cgroup2(), name)
        try:
            os.makedirs(self.path)
        except OSError as e:
            raise lib.Skip(f"cannot make {self.path}: {e.strerror}")
        bench.groups.append(self.path)

    def add(self, child):
        with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
            f.write(str(child.pid))


def with_groups(test):
    """Gives the bench a list of cgroups and removes them at the end, when what is in them has ended."""
    def run(bench):
        bench.groups = []
        try:
            test(bench)
        finally:
            for child in bench.children:
                child.kill()
                child.wait()
            for group in reversed(bench.groups):
                while group != cgroup2():
                    try:
                        os.rmdir(group)
                    except OSError:
                        break
                    group = os.path.dirname(group)
    run.__name__ = test.__name__
    return run


@with_groups
def test_cgroup(bench):
    """What is in the group or below it, came in before or later; not the one with a longer name."""
    daemon = bench.daemon()
    name = f"profd-e2e-{os.getpid()}"
    group = Group(bench, name)
    below, beside = Group(bench, name + "/below"), Group(bench, name + "x")
    path = copy_of(bench, "grouped")
    early, deeper, wrong, late = (burn(bench, path) for _ in range(4))
    group.add(early)
    below.add(deeper)
    beside.add(wrong)
    bench.ok(daemon, "attach", "-F", 499, "--cgroup", group.path)
    group.add(late)
    sees(bench, daemon, [early, deeper, late], [wrong])
    # the same group, however it is written: an update, and the same selection
    for words in ("/" + name, name, group.path + "/"):
        r = bench.ok(daemon, "attach", "-F", 499, "--cgroup", words)
        check("updated" in r.out + r.err, f"--cgroup {words} is taken for another: {r.out}{r.err}")
        sees(bench, daemon, [early, late], [wrong], ("--cgroup", words))
    seen = pids(bench, daemon, "--cgroup", below.path)
    check_equal(set(seen), {deeper.pid}, "samples in the group below")
    labels = bench.path("l.pb.gz")
    bench.ok(daemon, "dump", "--pid", deeper.pid, "-o", labels)
    check_equal({s[2].get("cgroup") for s in bench.profile(labels).samples}, {f"/{name}/below"},
                "the label cgroup")
    bench.profctl(daemon, "attach", "--cgroup", "/no/such/group").one_line(4, "/no/such/group")
    bench.profctl(daemon, "attach", "--cgroup", "/a/../b").one_line(2, "..")
    # out of the group: no more
    with open(os.path.join(cgroup2(), "cgroup.procs"), "w") as f:
        f.write(str(late.pid))
    time.sleep(1.2)
    before = pids(bench, daemon, "--pid", late.pid).get(late.pid, 0)
    time.sleep(1)
    check_equal(pids(bench, daemon, "--pid", late.pid).get(late.pid, 0), before,
                "samples of what left the group")


@with_groups
def test_unit(bench):
    daemon = bench.daemon()
    unit = f"profd-e2e-{os.getpid()}"
    group = Group(bench, f"system.slice/{unit}.service")
    other = Group(bench, f"system.slice/{unit}-other.service")
    path = copy_of(bench, "served")
    early, wrong, late = (burn(bench, path) for _ in range(3))
    group.add(early)
    other.add(wrong)
    bench.ok(daemon, "attach", "-F", 499, "--unit", unit)
    group.add(late)
    sees(bench, daemon, [early, late], [wrong])
    sees(bench, daemon, [early, late], [wrong], ("--unit", unit + ".service"))
    bench.profctl(daemon, "attach", "--unit", unit + "-none").one_line(4, unit + "-none")


RENAMER = """
import sys, time
def name(text):
    open("/proc/self/comm", "w").write(text)
def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
burn(1)
name(sys.argv[1])
burn(20)
"""


def test_comm(bench):
    """Globs, several patterns, names taken later, names given up."""
    daemon = bench.daemon()
    paths = {n: copy_of(bench, n) for n in ("alpha-1", "alpha-2", "beta", "gamma", "gam")}
    early = {n: burn(bench, p) for n, p in paths.items()}
    renamed = bench.start("python3", "-c", RENAMER, "alpha-late", stdout=subprocess.DEVNULL)
    bench.ok(daemon, "attach", "-F", 499, "--comm", "alpha-*", "--comm", "b[c-f]ta", "--comm", "gam")
    late = {n: burn(bench, p) for n, p in paths.items()}
    wanted = [s[n] for s in (early, late) for n in ("alpha-1", "alpha-2", "beta", "gam")]
    sees(bench, daemon, wanted + [renamed], [early["gamma"], late["gamma"]])
    check_equal(len(attached(bench, daemon)), 1, "attachments of one command")
    # in a dump, the same patterns on what was stored
    check_equal(set(pids(bench, daemon, "--comm", "alpha-?")),
                {s[n].pid for s in (early, late) for n in ("alpha-1", "alpha-2")}, "--comm alpha-?")
    check_equal(set(pids(bench, daemon, "--comm", "alpha-late")), {renamed.pid}, "--comm alpha-late")
    bench.ok(daemon, "detach", "--comm", "gam", "--comm", "alpha-*", "--comm", "b[c-f]ta")
    check_equal(attached(bench, daemon), [], "attachments after detach")
    bench.profctl(daemon, "attach", "--comm", "x" * 16).one_line(2, "15")


def test_pids(bench):
    daemon = bench.daemon()
    path = copy_of(bench, "counted")
    a, b, c, d = (burn(bench, path) for _ in range(4))
    bench.ok(daemon, "attach", "-F", 499, a.pid, "-p", f"{b.pid},{c.pid}")
    sees(bench, daemon, [a, b, c], [d])
    check_equal([x["target"] for x in attached(bench, daemon)],
                ["--pid " + ",".join(map(str, sorted((a.pid, b.pid, c.pid))))], "ps")
    check_equal(set(pids(bench, daemon, "--pid", f"{a.pid},{b.pid}")), {a.pid, b.pid}, "dump of two")
    thread = bench.start(bench.workload("threads"), "1", "20", stdout=subprocess.DEVNULL)
    tids = lib.wait_until(lambda: [t for t in os.listdir(f"/proc/{thread.pid}/task")
                                   if int(t) != thread.pid], 10, "a thread")
    bench.profctl(daemon, "attach", "--pid", tids[0]).one_line(4, tids[0])


def test_record_below_a_command(bench):
    """With a pattern, only what matches below CMD: not CMD itself, not the same program elsewhere."""
    daemon = bench.daemon()
    mine, other = copy_of(bench, "inner"), copy_of(bench, "sibling")
    outside = burn(bench, mine)
    for i, words in enumerate((("--comm", "inner"), ("--exe", mine), ("--comm", "in*r", "--comm", "none"))):
        path = bench.path(f"below{i}.pb.gz")
        r = bench.ok(daemon, "record", "-F", 999, "-o", path, *words, "--",
                     "sh", "-c", f"(sh -c '{mine} 0.5; true'; true); {other} 0.5 >/dev/null")
        wanted = lib.truth_of(r.out)[0]["short_work"]["self_ns"] * 999 / 1e9
        samples = bench.profile(path).samples
        check_equal({s[2]["comm"] for s in samples}, {"inner"}, f"comms by {words}")
        check(outside.pid not in {int(s[2]["pid"]) for s in samples}, "one that is not below")
        work = count([s for s in samples if s[1][:1] == ["short_work"]])
        check(abs(work - wanted) <= lib.Z * wanted ** 0.5 + 2, f"{work} samples, {wanted:.0f} expected")
    r = bench.profctl(daemon, "record", "-F", 999, "-o", bench.path("none.pb.gz"), "--comm", "none",
                      "--", "sh", "-c", f"{mine} 0.2")
    check(r.code in (0, 8, 125) and "none" in r.err, f"nothing matched: exit {r.code}, {r.err}")
    check_equal(attached(bench, daemon), [], "attachments left behind")


def test_owners(bench):
    """The same again updates, each owner has their own, detach removes the caller's own only."""
    daemon = bench.daemon()
    os.chmod(bench.dir, 0o755)
    child = bench.start("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
                        bench.workload("short_lived"), "30", stdout=subprocess.DEVNULL)
    lib.wait_until(lambda: os.readlink(f"/proc/{child.pid}/exe").endswith("short_lived"), 10, "exec")
    check("updated" not in bench.ok(daemon, "attach", "-F", 99, "--pid", child.pid).out, "the first")
    r = bench.ok(daemon, "attach", "-F", 499, "--pid", child.pid)
    check("updated" in r.out, f"the second: {r.out}")
    check_equal([a["freq_hz"] for a in attached(bench, daemon)], [499], "rates")
    check("updated" not in bench.ok(daemon, "attach", "--pid", child.pid, uid=NOBODY).out,
          "another owner's is taken for the same")
    owners = sorted(a["owner_uid"] for a in attached(bench, daemon))
    check_equal(owners, [0, NOBODY], "owners")
    theirs = json.loads(bench.ok(daemon, "ps", "--json", uid=NOBODY).out)["attachments"]
    check_equal([a["owner_uid"] for a in theirs], [NOBODY], "what an ordinary user sees")
    bench.ok(daemon, "detach", "--pid", child.pid, uid=NOBODY)
    check_equal([a["owner_uid"] for a in attached(bench, daemon)], [0], "after the user's detach")
    bench.profctl(daemon, "detach", "--pid", child.pid, uid=NOBODY).one_line(4, str(child.pid))
    bench.ok(daemon, "attach", "--pid", child.pid, uid=NOBODY)
    bench.ok(daemon, "detach", "--pid", child.pid)
    left = [a["owner_uid"] for a in attached(bench, daemon)]
    check_equal(left, [], "root detaches what is attached as that target")
    bench.profctl(daemon, "detach", "--pid", child.pid).one_line(4, str(child.pid))


def test_the_end_of_the_target_detaches(bench):
    daemon = bench.daemon()
    path = copy_of(bench, "ender")
    a, b = burn(bench, path), burn(bench, path)
    bench.ok(daemon, "attach", "-F", 499, "--pid", f"{a.pid},{b.pid}")
    sees(bench, daemon, [a, b])
    a.kill()
    a.wait()
    time.sleep(2.2)
    check_equal(len(attached(bench, daemon)), 1, "attachments while one of two lives")
    b.kill()
    b.wait()
    lib.wait_until(lambda: not attached(bench, daemon), 10, "detaching")
    check_equal(set(pids(bench, daemon, "--pid", f"{a.pid},{b.pid}")), {a.pid, b.pid},
                "what was collected, after the attachment's end")
    # a parent that ends before its child: the child is still the target
    shell = bench.start("sh", "-c", f"{path} 20 >/dev/null & echo $!; sleep 0.7", stdout=subprocess.PIPE,
                        text=True)
    child = int(shell.stdout.readline())
    bench.ok(daemon, "attach", "-F", 499, "--pid", shell.pid)
    shell.wait()
    time.sleep(2.2)
    check_equal(len(attached(bench, daemon)), 1, "attachments while the child lives")
    before = pids(bench, daemon, "--pid", shell.pid).get(child, 0)
    time.sleep(0.5)
    check(pids(bench, daemon, "--pid", shell.pid).get(child, 0) > before, "the child is not sampled")
    os.kill(child, 9)
    lib.wait_until(lambda: not attached(bench, daemon), 10, "detaching after the child")


def test_ps_all(bench):
    daemon = bench.daemon()
    os.chmod(bench.dir, 0o755)
    python = bench.start("python3", "-c", "import time; time.sleep(60)")
    started = {"python": (python, "cpython")}
    if shutil.which("node"):
        started["node"] = (bench.start("node", "-e", "setTimeout(() => {}, 60000)"), "node")
    try:
        started["go"] = (burn(bench, bench.workload("cpu_go"), "60"), "go")
    except lib.Skip as e:
        print("    without Go:", e)
    time.sleep(0.5)
    bench.ok(daemon, "attach", "--pid", python.pid)
    if "go" in started:
        # the version is known once the program's file has been read, which a dump does
        bench.ok(daemon, "dump", "--pid", started["go"][0].pid, "--seconds", "0.5", "-o", "/dev/null")
    processes = {p["pid"]: p for p in json.loads(bench.ok(daemon, "ps", "--all", "--json").out)["processes"]}
    for name, (child, runtime) in started.items():
        p = processes[child.pid]
        print("   ", p)
        check(p["runtime"].startswith(runtime), f"{name}: runtime {p['runtime']!r}")
        check_equal(p["ppid"], os.getpid(), f"{name}: ppid")
        check_equal(p["uid"], 0, f"{name}: uid")
        check_equal(p["exe"], os.readlink(f"/proc/{child.pid}/exe"), f"{name}: exe")
        with open(f"/proc/{child.pid}/comm") as f:
            check_equal(p["comm"], f.read().strip(), f"{name}: comm")
        check_equal(p["attached"], child is python, f"{name}: attached")
    check(2 not in processes or processes[2]["exe"], "a kernel thread is listed")
    r = bench.ok(daemon, "ps", "--all")
    check("RUNTIME" in r.out.splitlines()[0], r.out.splitlines()[0])
    check("-X perf" in r.err, f"no hint for python: {r.err}")
    theirs = json.loads(bench.ok(daemon, "ps", "--all", "--json", uid=NOBODY).out)["processes"]
    check(not {c.pid for c, _ in started.values()} & {p["pid"] for p in theirs},
          "root's processes are listed for an ordinary user")


def test_labels(bench):
    """pid, tid, thread and comm of each sample, against what the program says of its threads."""
    daemon = bench.daemon()
    path = bench.path("p.pb.gz")
    child = bench.start(bench.workload("threads"), "3", "2", stdout=subprocess.PIPE, text=True)
    bench.ok(daemon, "attach", "-F", 997, "--pid", child.pid)
    truth = {}
    for line in child.communicate()[0].splitlines():
        fact = json.loads(line)
        if "thread" in fact:
            truth[str(fact["tid"])] = fact["thread"]
    bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
    samples = [s for s in bench.profile(path).samples if "thread_work" in s[1]]
    check_equal({s[2]["pid"] for s in samples}, {str(child.pid)}, "pid")
    check_equal({s[2]["comm"] for s in samples}, {"threads"}, "comm")
    check_equal({s[2]["tid"]: s[2]["thread"] for s in samples}, truth, "thread by tid")
    with open(f"/proc/{os.getpid()}/cgroup") as f:
        mine = [line.strip()[3:] for line in f if line.startswith("0::")]
    if mine:
        check_equal({s[2].get("cgroup") for s in samples} - {None}, set(mine), "cgroup")


sys.exit(lib.main(globals()))
