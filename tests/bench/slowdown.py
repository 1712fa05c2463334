#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""How much slower a target runs under profd and under `perf record`: the same pinned, fixed work, in
interleaved rounds; its CPU clock and wall clock against the round without a profiler. Where others use the
machine, the tenth percentile says more than the median: what they do only ever adds."""
import signal
import subprocess
import time

import measure
from measure import say


class Variants:
    def __init__(self, m, args):
        self.m = m
        self.program = [m.tool("fixed_work"), str(args.depth), str(args.units), str(args.mib)]
        self.daemon = m.daemon()

    def start(self, *before):
        return subprocess.Popen([*before, "taskset", "-c", "1", *self.program], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    @staticmethod
    def result(child):
        out = child.communicate()[0].split()
        return int(out[0]), int(out[1])

    def bare(self):
        return self.result(self.start())

    def profd_all(self, freq):
        def run():
            self.m.ok(self.daemon, "attach", "--all", "-F", freq)
            result = self.bare()
            self.m.ok(self.daemon, "detach", "--all")
            return result
        return run

    def profd_pid(self, freq, unwind="auto"):
        def run():
            # It waits with its work until it is attached, and is not slowed by attaching.
            child = self.start()
            child.send_signal(signal.SIGSTOP)
            self.m.ok(self.daemon, "attach", "--pid", child.pid, "-F", freq, "--unwind", unwind)
            child.send_signal(signal.SIGCONT)
            return self.result(child)
        return run

    def perf(self, freq, *options):
        words = ["perf", "record", "-q", "-F", str(freq), *options, "-o", self.m.path("perf.data")]

        def run():
            if "-a" not in options:
                return self.result(self.start(*words, "--"))
            perf = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.4)
            result = self.bare()
            perf.send_signal(signal.SIGINT)
            perf.wait()
            return result
        return run


def main():
    args = measure.options(__doc__, rounds=40, freqs="99,999", depth=30, units=2000, mib=1)
    with measure.Measurement(args) as m:
        v = Variants(m, args)
        for freq in map(int, args.freqs.split(",")):
            variants = {"bare": v.bare, "bare again": v.bare, "profd --all": v.profd_all(freq),
                        "profd --pid": v.profd_pid(freq), "profd --pid --unwind fp": v.profd_pid(freq, "fp")}
            if measure.have("perf"):
                variants["perf record -g -a"] = v.perf(freq, "-g", "-a")
                variants["perf record -g"] = v.perf(freq, "-g")
                for kib, n in ((8, 8192), (64, 65528)):
                    variants[f"perf record --call-graph dwarf, {kib} KiB"] = v.perf(freq, "--call-graph", f"dwarf,{n}")
                variants["perf record"] = v.perf(freq)
            stolen = measure.stolen_seconds()
            results = measure.interleaved(args.rounds, variants)
            say(f"{freq} Hz: bare", f"{measure.statistics.median(r[0] for r in results['bare']) / 1e9:.3f} s "
                f"of CPU; stolen meanwhile {measure.stolen_seconds() - stolen:.1f} s")
            for name in list(variants)[1:]:
                for clock, i in (("CPU", 0), ("wall", 1)):
                    own, bare = ([r[i] for r in results[n]] for n in (name, "bare"))
                    measure.say_ratio(f"{freq} Hz: {name}, {clock} time", own, bare)
                    say("", f"{(measure.quantile(own, 0.1) / measure.quantile(bare, 0.1) - 1) * 100:+.3f} % between the "
                        "tenth percentiles")


main()
