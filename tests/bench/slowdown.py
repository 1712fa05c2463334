#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much slower a target runs under profd and under `perf record -g`: the same pinned, fixed work, in
interleaved rounds; its CPU clock and wall clock against the rounds without a profiler."""
import signal
import subprocess
import time

import measure
from measure import say


class Variants:
    def __init__(self, m, args):
        self.m, self.args = m, args
        self.program = [m.tool("fixed_work"), str(args.depth), str(args.units), str(args.mib)]

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
            daemon = self.m.daemon()
            self.m.ok(daemon, "attach", "--all", "-F", freq)
            time.sleep(0.2)
            result = self.bare()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait()
            return result
        return run

    def profd_pid(self, freq):
        def run():
            daemon = self.m.daemon()
            child = self.start()
            self.m.ok(daemon, "attach", "--pid", child.pid, "-F", freq)
            result = self.result(child)
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait()
            return result
        return run

    def perf(self, freq, everything):
        # What was written before is written over: nothing of one round is left for the next.
        words = ["perf", "record", "-q", "-F", str(freq), "-g", "-o", self.m.path("perf.data")]

        def run():
            if not everything:
                return self.result(self.start(*words, "--"))
            perf = subprocess.Popen([*words, "-a"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            result = self.bare()
            perf.send_signal(signal.SIGINT)
            perf.wait()
            return result
        return run


def main():
    args = measure.options(__doc__, rounds=20, freqs="99,999", depth=30, units=5000, mib=16)
    with measure.Measurement(args) as m:
        v = Variants(m, args)
        for freq in map(int, args.freqs.split(",")):
            variants = {"bare": v.bare, "bare again": v.bare, "profd --all": v.profd_all(freq),
                        "profd --pid": v.profd_pid(freq)}
            if measure.have("perf"):
                variants["perf record -g -a"] = v.perf(freq, True)
                variants["perf record -g"] = v.perf(freq, False)
            stolen = measure.stolen_seconds()
            results = measure.interleaved(args.rounds, variants)
            say(f"{freq} Hz: bare", f"{measure.statistics.median(r[0] for r in results['bare']) / 1e9:.3f} s "
                f"of CPU; stolen meanwhile {measure.stolen_seconds() - stolen:.1f} s")
            for name in list(variants)[1:]:
                for clock, i in (("CPU", 0), ("wall", 1)):
                    measure.say_ratio(f"{freq} Hz: {name}, {clock} time",
                                      [r[i] for r in results[name]], [r[i] for r in results["bare"]])


main()
