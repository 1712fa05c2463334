#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What is lost: 10 kHz on every CPU, a program that lives one second, a storm of short processes."""
import json
import subprocess
import time

import measure
from measure import say


def fast(m, name, seconds):
    daemon = m.daemon()
    load = m.busy() if name == "busy" else m.mixed()
    time.sleep(2)
    m.ok(daemon, "attach", "--all", "-F", 10000)
    before = m.status(daemon)
    time.sleep(seconds)
    costs = {k: v - measure.costs(before)[k] for k, v in measure.costs(m.status(daemon)).items()}
    m.ok(daemon, "detach", "--all")
    load.stop()
    status = m.status(daemon)
    row = measure.event_set(status, 10000)
    say(f"{name}, 10 kHz: triggered", f"{row['triggered']} = " + " + ".join(
        f"{row[k]} {k}" for k in ("not_run", "idle", "filtered", "stored")) + f" + dropped {measure.dropped(row)}")
    say(f"{name}, 10 kHz: not run", f"{100 * row['not_run'] / row['triggered']:.3f} %")
    say(f"{name}, 10 kHz: CPU", ", ".join(f"{k} {100 * v / seconds:.1f} %" for k, v in costs.items() if v))
    say(f"{name}, 10 kHz: sideband lost", measure.by_name(status["counters"], "value")["sideband_lost"])
    daemon.close()


def one_second(m):
    out = m.profctl(None, "record", "-o", m.path("one.pb.gz"), "--", m.workload("cpu_tree"), 1)
    truth = json.loads(out.out.splitlines()[-1])["total_ns"]
    profile = m.profile(m.path("one.pb.gz"))
    n = sum(s[0][0] for s in profile.samples)
    say("record of one second", f"{n} samples, {truth / 1e9 * 99:.1f} expected")


def storm(m, rate, seconds):
    daemon = m.shipped()
    time.sleep(3)
    a = m.status(daemon)
    subprocess.run([m.workload("forkstorm"), str(rate), str(seconds)], check=True, stdout=subprocess.DEVNULL)
    b = m.status(daemon)
    for name, s in measure.costs(b).items():
        say(f"storm of {rate}/s, 99 Hz: {name}", f"{100 * (s - measure.costs(a)[name]) / seconds:.2f} % of one core, "
            f"{(s - measure.costs(a)[name]) / rate / seconds * 1e6:.0f} us a process")
    say(f"storm of {rate}/s: sideband lost", measure.by_name(b["counters"], "value")["sideband_lost"])
    say(f"storm of {rate}/s: dropped", measure.dropped(measure.event_set(b, 99)))
    daemon.close()


def main():
    args = measure.options(__doc__, seconds=20, storm=200)
    with measure.Measurement(args) as m:
        for name in ("busy", "mixed"):
            fast(m, name, args.seconds)
        one_second(m)
        storm(m, args.storm, args.seconds)


main()
