#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""profd with unwind tables against perf: the same clang++ compile in interleaved rounds, bare, under profd by
tables and by frame pointers, and under `perf record`, by frame pointers and with copies of 8 and 64 KiB of the
stack, which `perf script` unwinds afterwards; what it costs the compile, the profiler and for each frame."""
import os
import resource
import signal
import subprocess
import time

import measure
from measure import say

UNITS = 4  # of the templates in measure.UNIT: a compile of a few seconds


class Variants:
    def __init__(self, m, freq, script_seconds):
        self.m, self.freq, self.script_seconds = m, freq, script_seconds
        self.source = m.path("small.cpp")
        with open(self.source, "w", encoding="utf-8") as f:
            f.write(measure.UNIT.replace("all<24>", f"all<{UNITS}>"))
        self.compile = ["taskset", "-c", "1", "clang++", "-O2", "-c", "-o", "/dev/null", self.source]

    def run(self, *before):
        """Seconds of CPU of everything that ends meanwhile, and elapsed."""
        a, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([*before, *self.compile], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        b = resource.getrusage(resource.RUSAGE_CHILDREN)
        return b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime, time.monotonic() - began

    def bare(self):
        cpu, wall = self.run()
        return {"cpu": cpu, "wall": wall}

    def profd(self, unwind):
        def run():
            daemon = self.m.daemon()
            self.m.ok(daemon, "attach", "--all", "-F", self.freq, "--unwind", unwind)
            self.run()  # tables are built once, whatever is compiled after that
            a = self.m.status(daemon)
            cpu, wall = self.run()
            b = self.m.status(daemon)
            daemon.close()
            costs = {k: v - measure.costs(a)[k] for k, v in measure.costs(b).items()}
            a, b = measure.event_set(a, self.freq), measure.event_set(b, self.freq)
            n, frames, ns = (b[k] - a[k] for k in ("stored", "frames", "bpf_ns"))
            return {"cpu": cpu, "wall": wall, "own": sum(costs.values()), "daemon": costs["daemon"],
                    "samples": n, "frames": frames, "bpf_ns": ns}
        return run

    def perf(self, *options):
        data = self.m.path("perf.data")

        def run():
            perf = subprocess.Popen(["perf", "record", "-a", "-F", str(self.freq), "-g" if not options else
                                     "--call-graph", *options, "-o", data],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(0.5)
            cpu, wall = self.run()
            perf.send_signal(signal.SIGINT)
            perf.stderr.read()
            own = os.wait4(perf.pid, 0)[2]
            perf.returncode = 0
            return {"cpu": cpu, "wall": wall, "own": own.ru_utime + own.ru_stime,
                    "bytes": os.path.getsize(data), **self.script(data)}
        return run

    def script(self, data):
        """What `perf script` takes, as far as it gets in the time it has, and what it finds."""
        words = ["timeout", str(self.script_seconds), "perf", "script", "--no-inline", "-F", "ip,sym", "-i", data]
        a = resource.getrusage(resource.RUSAGE_CHILDREN)
        samples = frames = 0
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            for line in child.stdout:
                if line.strip():
                    frames += 1
                else:
                    samples += 1
        b = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"script": b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime, "samples": samples, "frames": frames}


def show(freq, name, rows, bare):
    median = measure.statistics.median
    for clock in ("cpu", "wall"):
        measure.say_ratio(f"{freq} Hz: {name}, {clock} of the compile", [r[clock] for r in rows],
                          [r[clock] for r in bare])
    if "own" not in rows[0]:
        return
    say(f"{freq} Hz: {name}, CPU of the profiler", f"{median(100 * r['own'] / r['wall'] for r in rows):.3f} % of one core")
    say("", f"{median(r['frames'] / max(r['samples'], 1) for r in rows):.1f} frames each of "
        f"{median(r['samples'] for r in rows):.0f} samples")
    if "bpf_ns" in rows[0]:
        say("", f"{median(r['bpf_ns'] / max(r['frames'], 1) for r in rows):.0f} ns a frame in the program, "
            f"{median(r['daemon'] * 1e9 / max(r['frames'], 1) for r in rows):.0f} in the daemon")
    else:
        say("", f"{median(r['script'] * 1e9 / max(r['frames'], 1) for r in rows):.0f} ns a frame in perf script, "
            f"{median(r['script'] for r in rows):.1f} s of CPU; {median(r['bytes'] for r in rows) / 1e6:.1f} MB")


def main():
    args = measure.options(__doc__, rounds=3, freqs="99,999", script_seconds=20)
    with measure.Measurement(args) as m:
        for freq in map(int, args.freqs.split(",")):
            v = Variants(m, freq, args.script_seconds)
            v.bare()
            results = measure.interleaved(args.rounds, {
                "bare": v.bare, "bare again": v.bare,
                "profd, tables": v.profd("auto"), "profd, frame pointers": v.profd("fp"),
                "perf -g": v.perf(), "perf dwarf, 8 KiB": v.perf("dwarf,8192"),
                "perf dwarf, 64 KiB": v.perf("dwarf,65528")})
            for name in list(results)[1:]:
                show(freq, name, results[name], results["bare"])


main()
