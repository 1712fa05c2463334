#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Seconds from `dump` to file for a minute of everything, symbols cold and warm, beside `perf record`
of the same load and what `perf script` and `perf report` then take."""
import os
import signal
import subprocess
import time

import measure
from measure import say


def timed(run):
    began = time.monotonic()
    run()
    return time.monotonic() - began


def dump(m, daemon, name, *words):
    path = m.path("cpu.pb.gz")
    before = measure.costs(m.status(daemon))
    took = timed(lambda: m.ok(daemon, "dump", "--type", "cpu", "-o", path, *words))
    used = {k: v - before[k] for k, v in measure.costs(m.status(daemon)).items()}
    say(f"dump, {name}", f"{took * 1000:.0f} ms; CPU ms: " +
        ", ".join(f"{k} {1000 * v:.0f}" for k, v in used.items()))
    profile = m.profile(path)
    n = sum(s[0][0] for s in profile.samples)
    say("", f"{n} samples, {len(profile.samples)} of them distinct, {os.path.getsize(path) >> 10} KiB")
    return took


def perf(m, seconds, args):
    data = m.path("perf.data")
    record = subprocess.Popen(["perf", "record", "-q", "--no-bpf-event", "-a", "-F", str(args.freq), "-g", "-o", data],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return record, data


def main():
    args = measure.options(__doc__, seconds=60, freq=99, warm=5, quiet=1, perf=1)
    with measure.Measurement(args) as m:
        load = m.mixed()
        time.sleep(2)
        daemon = m.shipped(args.freq)
        record = None
        if args.perf and measure.have("perf"):
            record, data = perf(m, args.seconds, args)
        time.sleep(args.seconds)
        if record:
            record.send_signal(signal.SIGINT)
            record.wait()
        if args.quiet:
            load.stop()
        until = time.strftime("%F %T")
        time.sleep(1)
        dump(m, daemon, "cold", "--until", until)
        for name, words in (("warm, the same minute", ["--until", until]), ("warm, and what came since", [])):
            warm = [dump(m, daemon, name, *words) for _ in range(args.warm)]
            say(f"dump, {name}: median", f"{measure.statistics.median(warm) * 1000:.0f} ms")
        if record:
            say("perf.data", f"{os.path.getsize(data) / 2**20:.1f} MiB")
            for what in (["script"], ["report", "--stdio"]):
                began = time.monotonic()
                done = subprocess.run(["timeout", "300", "perf", *what, "-i", data], stdin=subprocess.DEVNULL,
                                      capture_output=True, text=True, errors="replace", check=False)
                say("perf " + " ".join(what), f"{time.monotonic() - began:.1f} s, {len(done.stdout) >> 10} KiB" +
                    (f"; exit {done.returncode}: {done.stderr.strip()[-200:]}" if done.returncode else ""))


main()
