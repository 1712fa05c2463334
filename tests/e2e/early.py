#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Samples that come before their tables: of a program's first moments, of libraries just loaded, of children
that live for less than a millisecond. And those of --unwind dwarf, which all come with their stack."""
import json
import os
import shutil
import subprocess
import sys
import time

import lib
from lib import check, check_at_least, check_equal
from unwind import CPU_TREE, DEEP, FREQ, WHOLE, of_pid, wrong

DLOPENER = {"plug_a_work": ("use",), "plug_b_work": ("use",), "use": ("main",)}


def record(bench, daemon, *command, flags=()):
    path = bench.path("early.pb.gz")
    bench.ok(daemon, "record", "-F", FREQ, *flags, "-o", path, "--", *command)
    return bench.profile(path)


def check_whole(what, profile, least=WHOLE):
    """Of the samples with a user stack (in exec and at the end there is none)."""
    n, cut = 0, {}
    for s in profile.samples:
        if all(f.startswith("[kernel") for f in s[3]):
            continue
        n += s[0][0]
        if s[2].get("truncated"):
            name = f"{s[2]['truncated'].split()[0]} after {s[1][-1]}@{os.path.basename(s[3][-1])}+{s[4][-1]:#x}"
            cut[name] = cut.get(name, 0) + s[0][0]
    print(f"    {what}: {n} samples, {sum(cut.values())} cut")
    for name, count in sorted(cut.items(), key=lambda x: -x[1])[:8]:
        print(f"      {count}: {name}")
    check_at_least(what, n - sum(cut.values()), n, least)


def check_exact(what, samples, graph):
    bad = {}
    n = sum(s[0][0] for s in samples)
    for s in samples:
        text = wrong(s, graph)
        if text:
            text += ", " + s[2].get("truncated", "said to be whole")
            bad[text] = bad.get(text, 0) + s[0][0]
    print(f"    {what}: {n} samples, {sum(bad.values())} not exact")
    for text, count in sorted(bad.items(), key=lambda x: -x[1])[:8]:
        print(f"      {count}: {text}")
    check_at_least(what, n - sum(bad.values()), n, WHOLE)


def check_sums(bench, daemon):
    """Each stored sample is counted under one reason, however often its stack was walked."""
    status = json.loads(bench.ok(daemon, "status", "--json").out)
    for event in status["event_sets"]:
        stacks = sum(c["value"] for c in event["truncated"])
        print(f"    {event['freq_hz']} Hz: stored {event['stored']}, stacks {stacks}")
        # The counters of a CPU that is sampling go on while they are read.
        check(abs(event["stored"] - stacks) <= os.cpu_count(), f"{event['stored']} stored, {stacks} stacks")


def test_the_first_samples_of_a_program(bench):
    """A file that nobody has seen before, from its first instruction on, and a daemon that has seen little."""
    daemon = bench.daemon()
    for run in range(3):
        path = bench.path(f"fresh-{run}")
        shutil.copy(bench.workload("cpu_tree_nofp"), path)
        check_whole(f"fresh program {run}", record(bench, daemon, path, "2"))
    check_sums(bench, daemon)


def test_a_compiler_in_a_fresh_daemon(bench):
    """Tables of 60 MB of code are made while its first samples come."""
    lib.need("clang++")
    with open(bench.path("unit.cpp"), "w") as f:
        f.write("#include <map>\n#include <regex>\n#include <string>\n"
                "int main(int n, char **v) { std::map<std::string, int> m; std::regex r(\"a(b|c)*d\");\n"
                "for (int i = 0; i < n; i++) m[v[i]] += std::regex_match(v[i], r); return m.size(); }\n")
    check_whole("clang++", record(bench, bench.daemon(), "clang++", "-O2", "-c", "-o", bench.path("unit.o"),
                                  bench.path("unit.cpp")))


def test_libraries_that_come_and_go(bench):
    """Each is a new mapping every 50 or 100 ms."""
    path = bench.path("early.pb.gz")
    child = bench.start(bench.workload("dlopener_nofp"), "20", stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    bench.ok(bench.daemon(), "record", "--pid", child.pid, "-F", FREQ, "-d", 4, "-o", path)
    check_exact("dlopener", of_pid(bench.profile(path), child.pid), DLOPENER)


def test_children_of_fork_and_exec(bench):
    """200 a second, each gone before anybody could have asked what it maps."""
    daemon = bench.daemon()
    profile = record(bench, daemon, bench.workload("forkstorm"), "200", "4")
    check_whole("storm", profile)
    check_sums(bench, daemon)


def test_each_sample_with_its_stack(bench):
    daemon = bench.daemon()
    for graph, words in ((CPU_TREE, ("cpu_tree_nofp", "20")), (DEEP, ("deep_nofp", "60", "20"))):
        child = bench.start(bench.workload(words[0]), *words[1:], stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        path = bench.path("dwarf.pb.gz")
        bench.ok(daemon, "record", "--pid", child.pid, "-F", FREQ, "-d", 2, "--unwind", "dwarf", "-o", path)
        check_exact(f"{words[0]} --unwind dwarf", of_pid(bench.profile(path), child.pid), graph)
        child.kill()
        child.wait()
    check_sums(bench, daemon)


def test_a_dump_while_others_wait(bench):
    """What is known already is in each dump, also while samples of a storm of children wait for their tables."""
    daemon = bench.daemon()
    child = lib.burner(bench)
    bench.ok(daemon, "attach", "--all", "-F", FREQ)
    time.sleep(1)
    storm = bench.start(bench.workload("forkstorm"), "200", "4", stdout=subprocess.DEVNULL)
    path, before = bench.path("now.pb.gz"), 0
    for _ in range(5):
        bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
        mine = of_pid(bench.profile(path), child.pid)
        n = sum(s[0][0] for s in mine if "short_work" in s[1])
        check(n > before, f"{n} samples of the burner, {before} in the dump before")
        before = n
    check_equal(storm.wait(60), 0, "the storm's exit code")
    check_sums(bench, daemon)


if __name__ == "__main__":
    sys.exit(lib.main(globals()))
