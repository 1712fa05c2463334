#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Nanoseconds of the sampling program per sample and per frame, for stacks of different depth."""
import os
import time

import measure
from measure import say


def target(m, name):
    """A copy on every core, so that next to nothing else is met and filtered."""
    if name == "clang":
        source = m.path("unit.cpp")
        with open(source, "w", encoding="utf-8") as f:
            f.write(measure.UNIT)
        words = ["sh", "-c", f"while :; do clang++ -O2 -g -c -o /dev/null {source}; done"]
    elif name.startswith("deep"):
        words = [m.workload("deep"), name[4:], "3600"]
    else:
        words = [m.workload(name), "3600"]
    return m.load([["taskset", "-c", str(cpu), *words] for cpu in range(os.cpu_count())],
                  measured=True)


def one(m, name, freq, seconds):
    daemon = m.daemon()
    load = target(m, name)
    time.sleep(0.3)
    m.ok(daemon, "attach", "--pid", ",".join(str(c.pid) for c in load.children), "-F", freq)
    time.sleep(0.5)
    a = measure.event_set(m.status(daemon), freq)
    time.sleep(seconds)
    b = measure.event_set(m.status(daemon), freq)
    load.stop()
    daemon.close()
    n, frames, ns = (b[k] - a[k] for k in ("stored", "frames", "bpf_ns"))
    filtered = sum(b[k] - a[k] for k in ("filtered", "idle"))
    return n, frames, ns, filtered


def main():
    args = measure.options(__doc__, seconds=4, rounds=3, freqs="99,999,9999",
                           targets="cpu_tree,deep60,deep300,clang")
    with measure.Measurement(args) as m:
        for freq in map(int, args.freqs.split(",")):
            for name in args.targets.split(","):
                runs = [one(m, name, freq, args.seconds) for _ in range(args.rounds)]
                median = measure.statistics.median
                say(f"{name}, {freq} Hz", f"{median(r[2] / r[0] for r in runs):.0f} ns a sample, "
                    f"{median(r[2] / r[1] for r in runs):.1f} ns a frame, "
                    f"{median(r[1] / r[0] for r in runs):.1f} frames a sample; "
                    f"{sum(r[0] for r in runs)} samples, beside {sum(r[3] for r in runs)} filtered ones")


main()
