#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets are stopped where a sample found them, and the stack that profd's walk found there must be, pc by
pc, the one that eu-stack finds in the stopped process; where eu-stack differs, gdb's.

stops.py BUILD              a few stops of each program
stops.py BUILD --all N      N stops of each program, also the ones that take long to start
stops.py BUILD N NAME...    N stops of these
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import lib
import programs
from lib import check

FEW = 5
QUICK = ("C -O2", "C -O3", "C, odd frames", "C, qsort", "C, 300 deep", "signal handlers", "PLT stubs", "vdso",
         "-static", "-static-pie", "C++ exceptions", "Go", "Go, stripped", "python3", "openssl aes-128-gcm",
         "openssl sha512", "openssl rsa")
GDB = """
import gdb
for t in gdb.selected_inferior().threads():
    if t.ptid[1] == TID: t.switch()
f, after = gdb.newest_frame(), False
while f is not None and f.is_valid():
    if f.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
        print("PC %x" % (f.pc() + after)); after = f.type() == gdb.SIGTRAMP_FRAME
    f = f.older()
"""


class Stopper:
    """tests/stops/stops.c, over the maps of a daemon."""

    def __init__(self, bench, daemon):
        path = os.path.join(bench.build, "tests", "stops", "stops")
        if not os.path.exists(path):
            raise lib.Skip("no stops in this build")
        self.process = bench.start_with_input(path, str(daemon.process.pid))
        bench.children.remove(self.process)
        check(self.process.stdout.readline() == "ready\n", "stops did not load")

    def stop(self, pid, n):
        """(tid, reason, ips), or None."""
        self.process.stdin.write(f"{pid} {n}\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        return (int(words[0]), words[1], [int(w, 16) for w in words[2:]]) if len(words) > 2 else None

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def stopped_at(pid, tid):
    """(pc, sp) of a thread that has stopped; None, None where it has not."""
    for _ in range(400):
        if read(f"/proc/{pid}/task/{tid}/stat").rsplit(")", 1)[-1].split()[:1] == ["T"]:
            words = read(f"/proc/{pid}/task/{tid}/syscall").split()
            return (int(words[2], 16), int(words[1], 16)) if len(words) == 3 else (None, None)
        time.sleep(0.002)
    return None, None


def eu_stack(tid):
    """As profd records: leaves that a signal interrupted are ip + 1."""
    done = subprocess.run(["eu-stack", "-r", "-a", "-1", "-p", str(tid), "-n", "1000"], capture_output=True,
                          text=True, timeout=60)
    ips, after = [], False
    for n, pc, minus in re.findall(r"^#(\d+)\s+0x([0-9a-f]+)( - 1)?", done.stdout, re.M):
        # Of two without "- 1" the first is the signal's trampoline.
        ips.append(int(pc, 16) + (1 if after else 0))
        after = not minus and n != "0" and not after
    return ips


def gdb(bench, pid, tid):
    if not shutil.which("gdb"):
        return []
    script = bench.path("stack.py")
    with open(script, "w") as f:
        f.write(GDB.replace("TID", str(tid)))
    done = subprocess.run(["gdb", "-nx", "-q", "-batch", "-iex", "set debuginfod enabled off", "-iex",
                           "set auto-load off", "-ex", "set backtrace past-main on", "-ex",
                           "set backtrace past-entry on", "-ex", "set backtrace limit 1000", "-p", str(pid),
                           "-x", script], capture_output=True, text=True, timeout=120)
    return [int(pc, 16) for pc in re.findall(r"^PC ([0-9a-f]+)$", done.stdout, re.M)]


def where(pid, ip):
    for line in read(f"/proc/{pid}/maps").splitlines():
        words = line.split(None, 5)
        start, end = (int(x, 16) for x in words[0].split("-"))
        if start <= ip < end:
            return f"{ip:x} {os.path.basename(words[5]) if len(words) > 5 else '//'}+{ip - start + int(words[2], 16):x}"
    return f"{ip:x}"


def show(pid, reason, lists):
    """The first frame that differs, with what is around it."""
    ours = lists[0][1]
    at = min((i for i in range(len(ours) + 1) if any(x[i:i + 1] != ours[i:i + 1] for _, x in lists[1:])),
             default=0)
    for name, ips in lists:
        shown = [where(pid, ip) for ip in ips[max(at - 2, 0):at + 6]]
        print(f"      {name}: {len(ips)} frames, from {max(at - 2, 0)}: " + ", ".join(shown)
              + (f"; {reason}" if name == "profd" else ""), flush=True)


def go_ends(bench):
    """Where the functions lie in which Go's own tracebacks end (runtime: TOPFRAME): what is below them is
    the thread's, and is no part of a stack of Go."""
    lib.need("go")
    lines = subprocess.run(["go", "tool", "nm", "-n", bench.workload("cpu_go")], capture_output=True, text=True,
                           check=True, env=dict(os.environ, HOME=bench.dir)).stdout.splitlines()
    rows = [(int(line.split()[0], 16), line.split()[2]) for line in lines if len(line.split()) == 3]
    names = re.compile(r"runtime\.(mcall|goexit|mstart|rt0_go)(\.abi0)?$")
    return [(at, rows[i + 1][0]) for i, (at, name) in enumerate(rows) if names.match(name)]


def cut(ips, ends):
    for i, ip in enumerate(ips):
        if any(start < ip <= end for start, end in ends):
            return ips[:i + 1]
    return ips


def is_left_out(pid, ips, reference, sp):
    """The one frame that the reference lacks is the caller of the leaf, for want of a rule there: code
    without call frame information, of which a frame pointer tells its caller's caller. It is proven where
    the leaf is at the edge of a function and what lies on the stack there is behind a call."""
    if len(ips) < 2 or reference != ips[:1] + ips[2:]:
        return False
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        def get(at, n):
            memory.seek(at)
            return memory.read(n)
        before, code, call = get(ips[0] - 1, 1), get(ips[0], 4), get(ips[1] - 8, 8)
        top = [int.from_bytes(get(sp + i, 8), "little") for i in (0, 8)]
    pushed = before == b"\x55" and code[:3] == b"\x48\x89\xe5" or code[:2] == b"\x5d\xc3"
    bare = code == b"\x55\x48\x89\xe5" or code[:1] == b"\xc3" or code[:2] == b"\xf3\xc3"
    return (pushed and top[1] == ips[1] or bare and top[0] == ips[1]) and is_behind_call(call)


def is_behind_call(code):
    """Do these 8 bytes end in a call?"""
    return code[3] == 0xe8 or any(code[i] == 0xff and code[i + 1] >> 3 & 7 == 2 for i in range(7))


def ended_early(pid, ips, reference, ends):
    """The reference has the first frames and no rule to go on, as where a stripped Go program changes its
    stack. It is proven where every further frame is behind a call and the last one is where Go's own
    tracebacks end, which is behind none."""
    if not 0 < len(reference) < len(ips) or reference != ips[:len(reference)]:
        return False
    if not any(start < ips[-1] <= end for start, end in ends):
        return False
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for ip in ips[len(reference):-1]:
            memory.seek(ip - 8)
            if not is_behind_call(memory.read(8)):
                return False
    return True


def one(bench, stopper, root, ends, counts):
    pid = programs.busy(root)
    taken = stopper.stop(pid, random.randrange(1, 40))
    if not taken:
        counts["not sampled"] += 1
        return
    tid, reason, ips = taken
    try:
        pc, sp = stopped_at(pid, tid)
        if pc != ips[0]:
            counts["did not stop there"] += 1
            return
        counts["stops"] += 1
        reference = cut(eu_stack(tid), ends)
        if reference == ips and reason == "complete":
            counts["equal"] += 1
            return
        if reason == "complete" and is_left_out(pid, ips, reference, sp):
            counts["leaf's caller not in eu-stack"] += 1
            return
        if reason == "complete" and ended_early(pid, ips, reference, ends):
            counts["eu-stack ends early"] += 1
            return
        other = cut(gdb(bench, pid, tid), ends)
        if other == ips and reason == "complete":
            counts["equal to gdb only"] += 1
            show(pid, reason, [("profd, gdb", ips), ("eu-stack", reference)])
            return
        counts["different"] += 1
        show(pid, reason, [("profd", ips), ("eu-stack", reference), ("gdb", other)])
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def compare(bench, daemon, stopper, name, n):
    counts = dict.fromkeys(("stops", "equal", "leaf's caller not in eu-stack", "eu-stack ends early",
                            "equal to gdb only", "different", "not sampled", "did not stop there"), 0)
    ends = go_ends(bench) if name.startswith("Go") else []
    root = programs.start(bench, name)
    bench.ok(daemon, "attach", "--pid", root, "-F", 99)
    time.sleep(1)
    for _ in range(2 * n):
        if counts["stops"] < n:
            one(bench, stopper, root, ends, counts)
    programs.stop(bench)
    print(f"    {name}: " + ", ".join(f"{v} {k}" for k, v in counts.items() if v or k in ("equal", "different")),
          flush=True)
    return counts


def test_stops(bench, names=QUICK, n=FEW):
    lib.need("eu-stack")
    daemon = bench.daemon()
    stopper = Stopper(bench, daemon)
    total, programs_run = {}, 0
    try:
        for name in names:
            try:
                for key, value in compare(bench, daemon, stopper, name, n).items():
                    total[key] = total.get(key, 0) + value
                programs_run += 1
            except lib.Skip as reason:
                print(f"    {name}: {reason}")
    finally:
        stopper.close()
    print("    all: " + ", ".join(f"{v} {k}" for k, v in total.items()))
    check(total.get("stops", 0) > programs_run * n / 2, f"{total.get('stops')} stops only")
    check(total["different"] == 0, f"{total['different']} stacks differ")


def main():
    words = sys.argv[2:]
    if words:
        names = list(programs.TARGETS) if words[0] == "--all" else words[1:]
        n = int(words[1] if words[0] == "--all" else words[0])
        sys.argv = sys.argv[:2]
        return lib.main({"test_stops": lambda bench: test_stops(bench, names, n)})
    return lib.main({"test_stops": test_stops})


if __name__ == "__main__":
    sys.exit(main())
