#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole stacks without frame pointers: exact chains of programs of known shape, and the first frame of
programs as the distribution ships them, stripped."""
import os
import shutil
import subprocess
import sys
import time

import lib
from lib import check

FREQ = 999
WHOLE = 0.999
SECONDS = 3

CPU_TREE = {
    "spin_leaf": ("branch_a", "middle_b", "branch_c"), "branch_a": ("work",), "middle_b": ("branch_b",),
    "branch_b": ("work",), "branch_c": ("work",), "compare_d": ("sort_pair",), "sort_pair": ("branch_d",),
    "branch_d": ("work",), "work": ("main",),
}
THROUGH_LIBC = {
    "compare": ("*",), "match": ("*",), "sort_branch": ("main",), "search_branch": ("main",),
}
FRAMES = {
    "leaf": ("variable", "large", "on_signal", "on_other_signal", "never_returns"), "variable": ("turn",),
    "large": ("turn",), "on_signal": ("*",), "on_other_signal": ("*",), "signalled": ("turn",),
    "other_stack": ("turn",), "never_returns": ("ending",), "ending": ("turn",), "turn": ("main",),
}
# What a "*", frames of libc in between, must lead to.
BELOW = {"compare": "sort_branch", "match": "search_branch", "on_signal": "signalled",
         "on_other_signal": "other_stack"}
DEEP = {"bottom": ("descend",), "descend": ("descend", "main")}
CPU_CPP = {
    "app::Worker<int>::local(int)": ("main",), "hidden::enter(unsigned long)": ("main",),
}


def wrong(sample, graph):
    """What is wrong with a sample's stack; None: exact. Whatever the leaves call of libc is left out."""
    names = list(sample[1])
    while names and names[0] not in graph and names[0] != "main":
        names.pop(0)
    if not names:
        return "no frame of the program: " + " < ".join(sample[1][:8]) + str(sample[3][:2])
    if names[-1] != "_start":
        return "ends in " + names[-1]
    i = 0
    while names[i] != "main":
        callers = graph.get(names[i])
        if callers is None:
            return f"{names[i]} is not in its call tree"
        if callers == ("*",):
            below = BELOW[names[i]]
            if below not in names[i:]:
                return f"{names[i]} is not below {below}"
            i = names.index(below, i)
            continue
        if names[i + 1] not in callers:
            return f"{names[i]} is called by {names[i + 1]}"
        i += 1
    if len(names) - i > 4:
        return "too many frames below main: " + " < ".join(names[i:])
    return None


def of_pid(profile, pid):
    """Samples with user frames of the process: what the kernel does for it in its entry code counts."""
    return [s for s in profile.samples if s[2].get("pid") == str(pid) and s[1] + s[3]]


def attach(bench, pid, seconds=SECONDS, out="attached.pb.gz", daemon=None):
    daemon = daemon or (bench.daemons[0] if bench.daemons else bench.daemon())
    path = bench.path(out)
    bench.ok(daemon, "record", "--pid", pid, "-F", FREQ, "-d", seconds, "-o", path)
    return bench.profile(path)


def exact(bench, graph, *words, depth=None, needed=WHOLE):
    child = bench.start(*words, stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    profile = attach(bench, child.pid)
    child.kill()
    child.wait()
    samples = of_pid(profile, child.pid)
    n = sum(s[0][0] for s in samples)
    bad = {}
    for s in samples:
        what = wrong(s, graph)
        if not what and depth and s[1].count("descend") != depth:
            what = f"{s[1].count('descend')} levels"
        if what:
            what += ", " + s[2].get("truncated", "said to be whole")
            bad[what] = bad.get(what, 0) + s[0][0]
    whole = 1 - sum(bad.values()) / max(n, 1)
    print(f"    {os.path.basename(words[0])} {' '.join(map(str, words[1:]))}: {n} samples, {whole:.3%} exact")
    for what, count in sorted(bad.items(), key=lambda x: -x[1])[:8]:
        print(f"      {count}: {what}")
    lib.check_at_least("exact chains", n - sum(bad.values()), n, needed)


def test_plain_frames(bench):
    exact(bench, CPU_TREE, bench.workload("cpu_tree_nofp"), "20")


def test_callback_through_libc(bench):
    exact(bench, THROUGH_LIBC, bench.workload("through_libc_nofp"), "20")


def test_recursion(bench):
    for depth in (60, 300):
        exact(bench, DEEP, bench.workload("deep_nofp"), str(depth), "20", depth=depth)


def test_odd_frames(bench):
    exact(bench, FRAMES, bench.workload("frames_nofp"), "20")


def test_programs_with_frame_pointers(bench):
    exact(bench, CPU_TREE, bench.workload("cpu_tree"), "20")
    exact(bench, CPU_TREE, bench.workload("cpu_static"), "20")


def test_stripped(bench):
    lib.need("strip", "nm")
    path = bench.path("stripped")
    shutil.copy(bench.workload("cpu_tree_nofp"), path)
    start = entry(path)
    subprocess.run(["strip", "-s", path], check=True)
    first_frame(bench, path, "20", entries=[start])


def entry(path):
    with open(path, "rb") as f:
        return int.from_bytes(f.read(32)[24:32], "little")


def reaches_start(sample, exe, entries):
    """The last frame is in the program's entry function, or in a thread's first function in libc."""
    if not sample[3]:
        return False
    last, at = sample[3][-1], sample[4][-1]
    if sample[2].get("truncated"):
        return False
    if os.path.realpath(last) == os.path.realpath(exe):
        return any(e < at < e + 64 for e in entries)
    # The loader before main, or a thread.
    return os.path.basename(last).startswith(("ld-linux", "libc.so"))


def first_frame(bench, *words, entries=None, seconds=SECONDS, env=None, cwd=None, needed=WHOLE, warm=0.5):
    child = bench.start(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=cwd)
    time.sleep(warm)
    exe = os.readlink(f"/proc/{child.pid}/exe")
    profile = attach(bench, child.pid, seconds)
    child.kill()
    child.wait()
    samples = [s for s in of_pid(profile, child.pid) if any(f and not f.startswith("[kernel") for f in s[3])]
    n = sum(s[0][0] for s in samples)
    bad = {}
    for s in samples:
        if not reaches_start(s, exe, entries or [entry(exe)]):
            what = (f"{len(s[3])} frames, ends in {os.path.basename(s[3][-1])}+{s[4][-1]:#x}, "
                    f"{s[2].get('truncated', 'said to be whole')}")
            bad[what] = bad.get(what, 0) + s[0][0]
    whole = 1 - sum(bad.values()) / max(n, 1)
    frames = sum(len(s[3]) * s[0][0] for s in samples) / max(n, 1)
    print(f"    {' '.join(words)[:60]}: {n} samples, {frames:.1f} frames, {whole:.3%} to the first")
    for what, count in sorted(bad.items(), key=lambda x: -x[1])[:8]:
        print(f"      {count}: {what}")
    lib.check_at_least("stacks to the first frame", n - sum(bad.values()), n, needed)


def test_python(bench):
    lib.need("python3")
    first_frame(bench, shutil.which("python3"), "-c",
                "import json,re\nwhile True:\n  s=sorted(range(3000), key=lambda x: -x)\n"
                "  json.loads(json.dumps(s)); re.sub(r'(\\d+)', r'\\1x', str(s))")


def test_openssl(bench):
    lib.need("openssl")
    for what in ("sha256", "rsa2048", "aes-256-gcm"):
        evp = ["-evp", what] if "aes" in what else [what]
        first_frame(bench, shutil.which("openssl"), "speed", "-seconds", "8", *evp)


def test_git(bench):
    lib.need("git")
    folder = bench.path("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    with open(os.path.join(folder, "import"), "w") as f:
        for i in range(4000):
            text = "".join(f"line {j * j % (i + 1)} of {j}\n" for j in range(600))
            f.write(f"commit refs/heads/main\ncommitter a <a@b> {i} +0000\ndata 1\nx\n"
                    f"M 644 inline f{i % 50}\ndata {len(text)}\n{text}\n")
    with open(os.path.join(folder, "import")) as f:
        subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], stdin=f, check=True)
    first_frame(bench, shutil.which("git"), "-C", folder, "log", "-p", "--stat", "--minimal", "--all",
                warm=0.3)


def test_cpp(bench):
    """Whatever of it has no name here (its debug file is elsewhere) reaches main, and _start."""
    child = bench.start(bench.workload("cpu_cpp"), "20", stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    samples = of_pid(attach(bench, child.pid), child.pid)
    n = sum(s[0][0] for s in samples)
    whole = sum(s[0][0] for s in samples if "main" in s[1] and s[1][-1] == "_start")
    print(f"    cpu_cpp: {whole}/{n}")
    lib.check_at_least("stacks from _start", whole, n, WHOLE)


def test_go(bench):
    """Leaves of Go have no frame of their own: their callers must not be left out."""
    for strip in (False, True):
        path = bench.path("cpu_go_s")
        shutil.copy(bench.workload("cpu_go"), path)
        if strip:
            lib.need("strip")
            subprocess.run(["strip", "-s", path], check=True)
        child = bench.start(path, "20", stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        samples = of_pid(attach(bench, child.pid), child.pid)
        child.kill()
        child.wait()
        callers = {"main.spin": "main.alpha", "main.(*mixer).churn": "main.beta",
                   "main.alpha": "main.worker", "main.beta": "main.worker", "main.gamma": "main.worker"}
        mine = [s for s in samples if s[1] and any(f.startswith("main.") for f in s[1])]
        n = sum(s[0][0] for s in mine)
        bad = {}
        for s in mine:
            names = s[1]
            what = None
            for caller, callee in zip(names[1:] + ["-"], names):
                if callee in callers and caller != callers[callee]:
                    what = f"{callee} is called by {caller}"
            if names[-1] not in ("runtime.goexit", "runtime.goexit.abi0"):
                what = f"ends in {names[-1]}"
            if what:
                what += ", " + s[2].get("truncated", "said to be whole")
                bad[what] = bad.get(what, 0) + s[0][0]
        whole = 1 - sum(bad.values()) / max(n, 1)
        print(f"    cpu_go{', stripped' if strip else ''}: {n} samples, {whole:.3%} exact")
        for what, count in sorted(bad.items(), key=lambda x: -x[1])[:8]:
            print(f"      {count}: {what}")
        lib.check_at_least("exact chains of Go", n - sum(bad.values()), n, WHOLE)


def test_frame_pointers_alone(bench):
    """--unwind fp: no table is looked at, whatever there is; an attachment with auto brings them back."""
    child = bench.start(bench.workload("cpu_tree_nofp"), "20", stdout=subprocess.DEVNULL)
    daemon = bench.daemon()
    for unwind in ("fp", "auto", "fp"):
        path = bench.path(unwind + ".pb.gz")
        bench.ok(daemon, "record", "--pid", child.pid, "-F", FREQ, "-d", 2, "--unwind", unwind, "-o", path)
        samples = of_pid(bench.profile(path), child.pid)
        n = sum(s[0][0] for s in samples)
        right = sum(s[0][0] for s in samples if not wrong(s, CPU_TREE))
        print(f"    --unwind {unwind}: {n} samples, {right} exact")
        if unwind == "auto":
            lib.check_at_least("exact chains", right, n, WHOLE)
        else:
            check(n > 50 and right < 0.5 * n, f"tables were used: {right} of {n} are exact")


def test_little_memory(bench):
    """Tables that no list names, then lists of whom nobody samples, go for those that are wanted."""
    config = bench.path("profd.conf")
    with open(config, "w") as f:
        f.write("[Kernel]\nUnwindTables=8M\n")
    daemon = bench.daemon("--config", config)
    bench.ok(daemon, "attach", "--all", "-F", 49)
    exact(bench, CPU_TREE, bench.workload("cpu_tree_nofp"), "20")
    out = bench.ok(daemon, "status").out
    used = [line for line in out.splitlines() if line.strip().startswith("unwind tables")]
    print("   ", used)
    check(used and used[0].split()[-2:] == ["8.0", "MiB"], "the bound is not the configured one")


if __name__ == "__main__":
    sys.exit(lib.main(globals()))
