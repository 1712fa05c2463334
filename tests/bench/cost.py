#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What profd costs while it collects cpu of everything: CPU of its processes and programs, as percent of
one core, and the part of the interrupt that no program sees."""
import subprocess
import time

import measure
from measure import say


def window(m, name, freq, seconds, settle):
    """Costs in a window of steady state."""
    daemon = m.shipped(freq)
    time.sleep(settle)
    before, began = m.status(daemon), time.monotonic()
    time.sleep(seconds)
    after, took = m.status(daemon), time.monotonic() - began
    used = {k: v - measure.costs(before)[k] for k, v in measure.costs(after).items()}
    for part, s in used.items():
        say(f"{name}, {freq} Hz: {part}", f"{100 * s / took:.4f} % of one core")
    say(f"{name}, {freq} Hz: together", f"{100 * sum(used.values()) / took:.4f} % of one core")
    a, b = measure.event_set(before, freq), measure.event_set(after, freq)
    n = b["stored"] - a["stored"]
    frames = b["frames"] - a["frames"]
    if n:
        say(f"{name}, {freq} Hz: samples", f"{n} stored, {frames / n:.1f} frames each; "
            f"program {(b['bpf_ns'] - a['bpf_ns']) / (n + b['idle'] - a['idle']):.0f} ns each; "
            f"daemon {used['daemon'] / n * 1e9:.0f} ns each")
    daemon.close()


def interrupts(m, freq, rounds, units):
    """A tick's whole price: a fixed piece of work with and without sampling, less what the program sees."""
    daemon = m.daemon()
    program = m.tool("fixed_work")

    def work():
        out = subprocess.run(["taskset", "-c", "1", program, "10", str(units)], check=True,
                             capture_output=True, text=True).stdout
        return int(out.split()[0])

    def on():
        m.ok(daemon, "attach", "--all", "-F", freq)
        ns = work()
        row = measure.event_set(m.status(daemon), freq)
        m.ok(daemon, "detach", "--all")
        return ns, row["bpf_ns"] / max(row["stored"] + row["idle"] + row["filtered"], 1)

    results = measure.interleaved(rounds, {"off": work, "on": on})
    per_tick = [(on - off) / (on / 1e9 * freq) for (on, _), off in zip(results["on"], results["off"])]
    program_ns = measure.statistics.median(p for _, p in results["on"])
    middle, low, high = measure.median_interval(per_tick)
    say(f"a tick at {freq} Hz, all of it", f"{middle:.0f} ns (95 %: {low:.0f} … {high:.0f})")
    say(f"a tick at {freq} Hz, seen by the program", f"{program_ns:.0f} ns")
    say("outside of the program, 99 Hz on two cores", f"{(middle - program_ns) * 99 * 2 / 1e7:.4f} % of one core")
    daemon.close()


def main():
    args = measure.options(__doc__, seconds=60, settle=15, freq=99, load="busy,mixed", rounds=15, units=4000,
                           tick_freq=9999)
    with measure.Measurement(args) as m:
        for name in args.load.split(","):
            if name == "none":
                continue
            load = m.busy() if name == "busy" else m.mixed()
            window(m, name, args.freq, args.seconds, args.settle)
            load.stop()
        if args.rounds:
            interrupts(m, args.tick_freq, args.rounds, args.units)


main()
