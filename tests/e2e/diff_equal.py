#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profctl diff gives the numbers of `go tool pprof -base` and `-diff_base`, function by function, and exits
as it says.

usage: diff_equal.py BUILD
Exit status 77: there is no `go tool pprof`.
"""
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from pprofile_write import Writer

SKIP = 77
NAMES = ["main", "runtime.mallocgc", "main.(*server).handle", "std::vector<int, std::allocator<int> >::push_back(int)",
         "ns::f(char const*)", "operator new(unsigned long)", "a b", "vfs_read"] + [f"f{i}" for i in range(40)]

# Of functions that are in every profile: pprof complains of what matches nothing.
FILTERS = [(["--focus", "main|f1"], ["-focus=main|f1"]), (["--ignore", "mallocgc"], ["-ignore=mallocgc"]),
           (["--hide", "main|server"], ["-hide=main|server"]), (["--show", "main|ns::"], ["-show=main|ns::"]),
           (["--show-from", "mallocgc"], ["-show_from=mallocgc"]),
           (["--focus", "main", "--normalize", "total"], ["-focus=main", "-normalize"])]


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def write(path, seed, build, first_address, duration):
    """Samples of random depth, with recursion; another seed is another run, another build another layout."""
    r, w = random.Random(seed), Writer(duration=duration, first_address=first_address)
    for _ in range(r.randrange(1, 400)):
        stack = [(r.choice(NAMES[:r.choice((8, 48))]), f"/opt/{build}/server", "", build * 4)
                 for _ in range(r.randrange(1, 30))]
        if r.random() < 0.1:
            stack.append(("", "[kernel.kallsyms]"))
        w.add(stack, r.choice((1, 10101010, r.randrange(1, 10**9))))
    return w.write(path)


def run(*words):
    with tempfile.TemporaryDirectory() as empty:
        env = dict(os.environ, PPROF_BINARY_PATH=empty, PPROF_TMPDIR=empty, TZ="UTC", LC_ALL="C.UTF-8")
        done = subprocess.run([*map(str, words)], env=env, capture_output=True, text=True, timeout=120)
    check("Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr)
    return done


def pprof(option, base, new, *flags):
    """{name: (flat, flat%, cum, cum%)} in the order of the rows."""
    done = run("go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-unit=ns", *flags,
               f"{option}={base}", new)
    check(done.returncode == 0 and not done.stderr, done.stderr)
    rows = {}
    for line in done.stdout.splitlines():
        m = re.match(r"\s*(-?\d+)(?:ns)?\s+([\d.e-]+)%\s+[\d.e-]+%\s+(-?\d+)(?:ns)?\s+([\d.e-]+)%\s+(.*)", line)
        if m:
            # pprof puts brackets around the name of a module that has its own.
            name = m.group(5).replace("[[", "[").replace("]]", "]")
            rows[name] = (int(m.group(1)), float(m.group(2)), int(m.group(3)), float(m.group(4)))
    check(rows, f"no rows: {done.stdout}")
    return rows


def ours(profctl, base, new, *flags):
    done = run(profctl, "diff", "--json", *flags, base, new)
    check(done.returncode == 0, done.stderr)
    d = json.loads(done.stdout)
    total = d["base"]["total"]

    def percent(v):
        return abs(v) / total * 100
    return {f["name"]: (f["flat"]["delta"], percent(f["flat"]["delta"]), f["cum"]["delta"],
                        percent(f["cum"]["delta"]))
            for f in d["functions"] if f["flat"]["delta"] or f["cum"]["delta"]}


def test_functions_are_those_of_pprof(profctl, folder):
    compared = 0
    for seed in range(12):
        base = write(os.path.join(folder, "base.pb.gz"), seed, "one", 0x1000, 10**10)
        new = write(os.path.join(folder, "new.pb.gz"), 1000 + seed, "two", 0x987000, 2 * 10**10)
        for flags, theirs in (([], []), (["--normalize", "total"], ["-normalize"]), (["--cum"], ["-cum"]),
                              *FILTERS[seed % 3::3]):
            got = ours(profctl, base, new, *flags)
            for option in ("-base", "-diff_base"):
                want = pprof(option, base, new, *theirs)
                check({k: (v[0], v[2]) for k, v in got.items()} == {k: (v[0], v[2]) for k, v in want.items()},
                      f"{seed} {flags} {option}: values differ:\n{got}\n{want}")
                check(list(got) == list(want), f"{seed} {flags} {option}: other order:\n{got}\n{want}")
                compared += len(want)
            # Of the base's total, as -diff_base, which was the last.
            for name, v in want.items():
                for k in (1, 3):
                    check(abs(v[k] - got[name][k]) <= 0.006 * max(1, v[k]), f"{name}: {v[k]}%, not {got[name][k]}%")
    print(f"    {compared} rows are equal")


def test_the_exit_status_is_for_ci(profctl, folder):
    base, new = (Writer(duration=d * 10**9) for d in (10, 20))
    for w, hot in ((base, 10), (new, 26)):
        w.add(["main", "hot"], hot)
        w.add(["main", "other"], 90 if w is base else 174)
    base, new = base.write(os.path.join(folder, "base.pb.gz")), new.write(os.path.join(folder, "new.pb.gz"))
    # hot: 10% to 13%; the total: 100 to 200 in twice the time.
    for code, flags in ((0, ["3%"]), (3, ["2.9%"]), (0, ["cum=3%"]), (3, ["cum=2%"]), (3, ["func=^h:2%"]),
                        (0, ["func=^other$:0%"]), (3, ["total=99%"]), (0, ["total=100%"]), (3, ["50%", "1%"]),
                        (2, ["5"]), (2, ["-5%"]), (2, ["func=(:1%"]), (2, ["func=:1%"]), (2, ["what=1%"])):
        options = [word for f in flags for word in ("--fail-on", f)]
        done = run(profctl, "diff", base, new, *options)
        check(done.returncode == code, f"{flags}: exit {done.returncode}, not {code}: {done.stderr}")
        check(bool(done.stderr) == bool(code), f"{flags}: {done.stderr}")
    done = run(profctl, "diff", base, new, "--fail-on", "total=1%", "--normalize", "time")
    check(done.returncode == 0, f"as much in the same time: {done.stderr}")
    done = run(profctl, "diff", base, new, "--fail-on", "total=1%", "--normalize", "total")
    check(done.returncode == 2, "a threshold that nothing can cross is accepted")
    failed = json.loads(run(profctl, "diff", "--json", base, new, "--fail-on", "1%").stdout)["failed"]
    check(len(failed) == 1 and "hot grew by 3 points" in failed[0], str(failed))
    swapped = run(profctl, "diff", new, base, "--fail-on", "2%")
    check(swapped.returncode == 3 and "other" in swapped.stderr and "hot" not in swapped.stderr, swapped.stderr)


def test_a_reader_may_leave(profctl, folder):
    w = Writer()
    for i in range(5000):
        w.add(["main", f"function{i}"], 100)
    path = w.write(os.path.join(folder, "many.pb.gz"))
    for words in ("flame", path), ("diff", path, path, "-f", "html"), ("diff", "--json", path, path):
        with subprocess.Popen([profctl, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            child.stdout.read(100)
            child.stdout.close()
            complaint = child.stderr.read()
        check((child.returncode, complaint) == (0, b""), f"{words[0]}: {child.returncode}: {complaint}")


def test_builds_are_matched_by_name(profctl, folder):
    paths = []
    for name, address, module, build in (("a", 0x1000, "/a/server", "aa"), ("b", 0x5550, "/b/server", "bb"),
                                         ("c", 0x5550, "/b/server", "aa")):
        w = Writer(first_address=address)
        w.add([("main", module, "/src/" + name, build), (f"server+0x{address:x}", module, "", build)], 10)
        paths.append(w.write(os.path.join(folder, name + ".pb.gz")))
    check(ours(profctl, paths[0], paths[1]) == {}, "another build at another place differs")
    names = set(ours(profctl, paths[0], paths[2]))
    check(names == {"server+0x1000", "server+0x5550"}, f"addresses of the same build: {names}")


def main():
    if not shutil.which("go") or run("go", "tool", "pprof", "-h").stderr == "":
        print("SKIP: no go tool pprof")
        return SKIP
    folder, failed = tempfile.mkdtemp(prefix="profd-diff-"), 0
    try:
        for name, test in list(globals().items()):
            if not name.startswith("test_"):
                continue
            print(name, flush=True)
            try:
                test(os.path.join(sys.argv[1], "client", "profctl"), folder)
            except AssertionError as e:
                failed += 1
                print(f"  FAILED: {e}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
