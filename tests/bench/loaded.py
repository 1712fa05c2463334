#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Everything sampled fast while a large C++ build, a Go build and redis run: what is lost, how stacks were walked,
what it costs, and how long the loop kept a client waiting while tables were built."""
import time

import measure
from measure import say
from stall import Pinger


def main():
    args = measure.options(__doc__, seconds=60, freq=999)
    with measure.Measurement(args) as m:
        daemon = m.shipped(args.freq)
        while not measure.event_set(m.status(daemon), args.freq):
            time.sleep(0.05)
        ping = Pinger(daemon.socket)
        m.mixed()
        before, began = m.status(daemon), time.monotonic()
        time.sleep(args.seconds)
        after, took = m.status(daemon), time.monotonic() - began
        ping.end("tables being built")
        a, b = (measure.event_set(s, args.freq) for s in (before, after))
        say("triggered", f"{b['triggered'] - a['triggered']} = " + " + ".join(
            f"{b[k] - a[k]} {k}" for k in ("not_run", "idle", "filtered", "stored")) + f" + dropped {measure.dropped(b)}")
        say("sideband lost", measure.by_name(after["counters"], "value")["sideband_lost"])
        used = {k: v - measure.costs(before)[k] for k, v in measure.costs(after).items()}
        say("CPU, % of one core", ", ".join(f"{k} {100 * v / took:.3f}" for k, v in used.items()) +
            f"; together {100 * sum(used.values()) / took:.3f}")
        n, frames, ns = (b[k] - a[k] for k in ("stored", "frames", "bpf_ns"))
        say("a sample", f"{frames / n:.1f} frames, {ns / n:.0f} ns in the program ({ns / frames:.1f} a frame), "
            f"{used['daemon'] / n * 1e9:.0f} ns in the daemon")
        pid = daemon.process.pid
        say("MiB resident: daemon, highest", ", ".join(
            f"{measure.proc_status(pid, key) / 2**20:.1f}" for key in ("VmRSS", "VmHWM", "RssAnon")) + " anonymous now")
        for role, pids in measure.children_of(pid).items():
            say(f"MiB resident: {role}, highest", ", ".join(
                f"{measure.proc_status(p, 'VmRSS') / 2**20:.1f} {measure.proc_status(p, 'VmHWM') / 2**20:.1f}" for p in pids))
        for row in after.get("memory", []):
            say(f"status: {row['name']}", f"{row['bytes'] / 2**20:.1f} MiB")
        for row in after["counters"]:
            if row["value"]:
                say(f"counter {row['name']}", row["value"])
        daemon.close()


main()
