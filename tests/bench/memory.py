#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""Memory of each of profd's processes with about a hundred processes sampled, before and after a dump, and
what `status` says beside what /proc says."""
import threading
import time

import measure
from measure import say


def mib(n):
    return f"{n / 2**20:.1f} MiB"


def rows(m, daemon, name):
    pid = daemon.process.pid
    status = m.status(daemon)
    said = measure.by_name(status["costs"], "rss_bytes")
    say(f"{name}: daemon", f"{mib(measure.proc_status(pid, 'VmRSS'))} (status {mib(said['daemon'])}; anonymous "
        f"{mib(measure.proc_status(pid, 'RssAnon'))}, shared with the kernel {mib(measure.proc_status(pid, 'RssShmem'))}"
        f", files {mib(measure.proc_status(pid, 'RssFile'))}, highest {mib(measure.proc_status(pid, 'VmHWM'))})")
    for role, pids in sorted(measure.children_of(pid).items()):
        say(f"{name}: {role}", f"{len(pids)} processes, " + ", ".join(
            mib(measure.proc_status(p, "VmRSS")) + " (highest " + mib(measure.proc_status(p, "VmHWM")) + ")" for p in pids))
    say(f"{name}: status says", ", ".join(f"{k} {mib(v)}" for k, v in said.items() if v))
    say(f"{name}: status says of memory", ", ".join(
        f"{row['name']} {mib(row['bytes'])}" for row in status["memory"]))


def peaks(daemon, stop, highest):
    while not stop.is_set():
        for role, pids in measure.children_of(daemon.process.pid).items():
            for pid in pids:
                try:
                    highest[role] = max(highest.get(role, 0), measure.proc_status(pid, "VmHWM"))
                except OSError:
                    pass
        time.sleep(0.02)


def main():
    args = measure.options(__doc__, seconds=60, processes=80, freq=99)
    with measure.Measurement(args) as m:
        m.load([["nice", m.workload("deep"), str(5 + i), "3600"] if i % 20 == 0 else
                ["sh", "-c", "while :; do read -r x < /proc/self/stat; sleep 0.5; done"]
                for i in range(args.processes)])
        m.mixed()
        daemon = m.shipped(args.freq)
        time.sleep(2)
        rows(m, daemon, "start")
        time.sleep(args.seconds)
        rows(m, daemon, f"{args.seconds} s")
        stop, highest = threading.Event(), {}
        watch = threading.Thread(target=peaks, args=(daemon, stop, highest))
        watch.start()
        m.ok(daemon, "dump", "--type", "cpu", "-o", m.path("cpu.pb.gz"))
        stop.set()
        watch.join()
        for role, n in highest.items():
            say(f"during the dump: {role}, highest", mib(n))
        rows(m, daemon, "after a dump")


main()
