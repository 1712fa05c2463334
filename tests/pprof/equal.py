#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The views of `profctl report`, `convert -f dot` and `merge` against those of `go tool pprof`: lines
and numbers, for profiles that Go's runtime wrote, ones made by chance in many encodings, with mangled
names, in other units, and ones of our own.

Of a drawing all is compared, colours and hints for the layout too, but for the legend's last line (where
to read about the graph) and its tooltip (a title that it shows already).

usage: equal.py PROFCTL [PROFILE...]

Exit status 0: all equal, 1: some differ (the first lines are shown), 77: no `go tool pprof`.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

import synthetic

SKIP = 77
HERE = os.path.dirname(os.path.abspath(__file__))
SYNTHETIC = int(os.environ.get("SYNTHETIC", "42"))
# What profctl is told, and pprof.
TREE = "-tree"
FLAGS = [
    (["--top"], ["-top"]),
    (["--top", "-n", "7"], ["-top", "-nodecount=7", "-nodefraction=0"]),
    (["--top", "-n", "0", "--cum"], ["-top", "-nodecount=0", "-nodefraction=0", "-cum"]),
    (["--tree"], [TREE]),
    (["--tree", "-n", "12", "--cum"], [TREE, "-nodecount=12", "-nodefraction=0", "-cum"]),
    (["--traces"], ["-traces"]),
    (["--peek", "run|f1|main|count"], ["-peek=run|f1|main|count"]),
    (["--peek", r"(?i)CLASS\d+|^main\.\w+$"], [r"-peek=(?i)CLASS\d+|^main\.\w+$"]),
    (["--list", "f1|hash|generic"], ["-list=f1|hash|generic"]),
    (["--top", "--focus", "f1|run|work"], ["-top", "-focus=f1|run|work"]),
    (["--tree", "--ignore", "f2|hash"], [TREE, "-ignore=f2|hash"]),
    (["--tree", "--hide", r"f1|\.so|runtime\."], [TREE, r"-hide=f1|\.so|runtime\."]),
    (["--top", "--show", "main|f|a.c"], ["-top", "-show=main|f|a.c"]),
    (["--traces", "--show-from", "run|f[0-3]|work"], ["-traces", "-show_from=run|f[0-3]|work"]),
    (["--top", "--tagfocus", "thread=main|io"], ["-top", "-tagfocus=thread=main|io"]),
    (["--top", "--tagignore", "bytes=1kb:4kb"], ["-top", "-tagignore=bytes=1kb:4kb"]),
    (["--top", "--tagfocus", "worker:a"], ["-top", "-tagfocus=worker:a"]),
    (["--top", "--granularity", "files"], ["-top", "-files"]),
    (["--tree", "--granularity", "lines"], [TREE, "-lines"]),
    (["--top", "--granularity", "filefunctions", "-n", "0"],
     ["-top", "-filefunctions", "-nodecount=0", "-nodefraction=0"]),
    (["--top", "--granularity", "addresses", "-n", "30"],
     ["-top", "-addresses", "-nodecount=30", "-nodefraction=0"]),
    (["--top", "--sample-index", "0", "--unit", "ms"], ["-top", "-sample_index=0", "-unit=ms"]),
    (["convert", "-f", "dot"], ["-dot"]),
]


def run(argv, empty):
    env = dict(os.environ, PPROF_BINARY_PATH=empty, TZ="UTC", LC_ALL="C.UTF-8")
    done = subprocess.run(argv, env=env, cwd=empty, capture_output=True)
    return done.returncode, done.stdout.decode(errors="replace"), \
        done.stderr.decode(errors="replace")


def clean(text):
    """What both say: without our note on functions without a name, without what stands in the
    place of source that is not here."""
    text = text.split("\n\nFunctions without a name", 1)[0]
    text = re.sub(r"\\l\\lSee https:\S+ for how to read the graph", "", text)
    text = re.sub(r'(subgraph cluster_L .*label="[^"]*") tooltip="[^"]*"', r"\1", text)
    lines, skipping = [], False
    for line in text.rstrip("\n").split("\n"):
        if line.startswith(" Error: ") or line.startswith(" Without source ("):
            skipping = True
        elif not skipping or not re.match(r" *\S+ +\S+ +-?\d+:$", line):
            skipping = False
            lines.append(line)
    return lines


def compare(profctl, pprof, profile, ours, theirs, empty):
    verb = [] if ours[0] == "convert" else ["report"]
    code, want, complaint = run([*pprof, *theirs, profile], empty)
    got_code, got, said = run([profctl, *verb, *ours, profile], empty)
    if code and got_code:
        return None
    if code or got_code:
        return f"exit {got_code} {said.strip()}, pprof {code} {complaint[:200].strip()}"
    want, got = clean(want), clean(got)
    if want == got:
        return None
    for i in range(max(len(want), len(got))):
        a = want[i] if i < len(want) else "(nothing)"
        b = got[i] if i < len(got) else "(nothing)"
        if a != b:
            return f"line {i + 1}\n  pprof: {a}\n  ours:  {b}"
    return None


def make_profiles(folder):
    profiles = []
    for name, tags in (("plain", []), ("noopt", ["-gcflags=all=-N -l"])):
        binary = os.path.join(folder, name)
        subprocess.run(["go", "build", *tags, "-o", binary, os.path.join(HERE, "profiles.go")],
                       check=True, env=dict(os.environ, GO111MODULE="off"))
        subprocess.run([binary, folder, name], check=True)
        profiles += sorted(os.path.join(folder, f) for f in os.listdir(folder)
                           if f.startswith(name + "."))
    for seed in range(1, SYNTHETIC + 1):
        path = os.path.join(folder, f"synthetic{seed}.pb.gz")
        with open(path, "wb") as f:
            f.write(synthetic.make(seed))
        profiles.append(path)
    path = os.path.join(folder, "mangled.pb.gz")
    with open(path, "wb") as f:
        f.write(synthetic.mangled())
    return [*profiles, path]


FILTERS = ["focus=f1|run|work"], ["ignore=f2|hash"], [r"hide=f1|\.so|runtime\."], ["show=main|f|a.c"], \
    ["show-from=run|f[0-3]|work"], ["tagfocus=thread=main|io"], ["tagignore=bytes=1kb:4kb"], \
    ["focus=f", "hide=f2", "tagfocus=2kb:"]


def compare_flame(profctl, pprof, profile, filters, empty):
    """What a flame graph shows in all, and its share of the whole, is what pprof says that it shows."""
    code, top, said = run([*pprof, "-top", "-nodecount=0", "-nodefraction=0", "-unit=auto",
                           *("-" + f.replace("-", "_", 1) for f in filters), profile], empty)
    want = re.search(r"accounting for (\S+), +(\S+)% of (\S+) total", top)
    got_code, svg, got_said = run([profctl, "flame", "-f", "svg", *("--" + f for f in filters), profile],
                                  empty)
    got = re.search(r"<title>all\n(\S+) \((\S+)%\)", svg)
    if code or got_code or not want:
        return None if code and got_code else f"exit {got_code} {got_said}, pprof {code} {said}"
    if want[1] == "0" and not got:
        return None
    if got and want[1] == got[1] and abs(float(want[2]) - float(got[2])) < 0.006 * float(want[2]) + 0.01:
        return None
    return f"{got and got[0]}, pprof {want[0]}"


def compare_sums(profctl, pprof, folder, empty):
    """Sums of profiles in different units: what pprof writes is what we write, as pprof prints it.
    One line for each pair that differs."""
    units = ["ns", "us", "milliseconds", "s", "hours"], ["bytes", "kb", "MB", "Gigabyte"], \
        ["widgets", "widgets"]
    n, bad = 0, []
    for kind in units:
        for unit in kind:
            with open(os.path.join(folder, unit + ".pb"), "wb") as f:
                f.write(synthetic.small(unit))
        for a in kind:
            for b in kind:
                files = [os.path.join(folder, u + ".pb") for u in (a, b, kind[0])]
                theirs, ours = os.path.join(folder, "theirs"), os.path.join(folder, "ours")
                done = [run([*pprof, "-proto", "-output=" + theirs, *files], empty),
                        run([profctl, "merge", "-o", ours, *files], empty)]
                raw = [run([*pprof, "-raw", path], empty)[1] for path in (theirs, ours)]
                n += 1
                if done[0][0] or done[1][0] or not raw[0] or raw[0] != raw[1]:
                    bad.append(f"{a} + {b} + {kind[0]}: {done[1][2]}\n{raw[0]}\n{raw[1]}")
    return n, bad


def main():
    profctl = os.path.abspath(sys.argv[1])
    if not shutil.which("go"):
        print("skipped: no go tool pprof", file=sys.stderr)
        return SKIP
    tool = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True)
    if tool.returncode:
        print("skipped: no go tool pprof", file=sys.stderr)
        return SKIP
    pprof = [tool.stdout.strip()]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as empty:
        profiles = make_profiles(folder) + [os.path.abspath(p) for p in sys.argv[2:]]
        jobs = [(p, o, t) for p in profiles for o, t in FLAGS]
        # Several files are one sum.
        jobs += [(profiles[0], [*o, profiles[0], profiles[7]], [*t, profiles[0], profiles[7]])
                 for o, t in FLAGS[:6]]
        bad = {}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda j: compare(profctl, pprof, j[0], j[1], j[2], empty), jobs)
            for (profile, ours, _), why in zip(jobs, results):
                if why:
                    bad.setdefault(" ".join(ours), []).append(f"{os.path.basename(profile)}: {why}")
            # Where values are of both signs, shares of pprof's are of their absolute values.
            flames = [(p, f) for p in profiles if not re.search(r"synthetic\d*[49]\.", p)
                      for f in FILTERS]
            results = pool.map(lambda j: compare_flame(profctl, pprof, *j, empty), flames)
            for (profile, filters), why in zip(flames, results):
                if why:
                    bad.setdefault("flame " + " ".join(filters), []).append(
                        f"{os.path.basename(profile)}: {why}")
        n_sums, bad_sums = compare_sums(profctl, pprof, folder, empty)
        if bad_sums:
            bad["merge"] = bad_sums
        for flags, whys in bad.items():
            print(f"{flags}: {len(whys)} differ\n  {whys[0]}", file=sys.stderr)
        n = sum(map(len, bad.values()))
        n_all = len(jobs) + len(flames) + n_sums
        print(f"{n_all - n} of {n_all} reports, flame graphs and sums of {len(profiles)} profiles are equal")
        return 1 if n else 0


if __name__ == "__main__":
    sys.exit(main())
