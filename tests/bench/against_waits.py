#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""against_waits.py BUILD [ROUNDS]: what a context switch costs under profd and under other tracers of waiting,
one after the other, round by round, with a pair that sends a byte to and fro on one CPU; root. Prints the median
of each and of its difference to nothing in the same round, and the CPU time that the tracer's own process took.
Tracers that are not installed are left out."""
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
RUNS = 6
SCRIPT = """tracepoint:sched:sched_switch { @start[args->prev_pid] = nsecs; @u[args->prev_pid] = ustack;
 $s = @start[args->next_pid]; if ($s) { @off[@u[args->next_pid]] = sum(nsecs - $s); delete(@start[args->next_pid]); } }"""


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Daemon:
    def __init__(self, folder):
        self.socket = os.path.join(folder, "s")
        config = os.path.join(folder, "c")
        with open(config, "w", encoding="ascii") as f:
            f.write("[Collect]\nCpu=no\n")
        self.process = subprocess.Popen([f"{BUILD}/daemon/profd", "run", "--config", config, "--socket", self.socket], stderr=subprocess.DEVNULL)
        while not os.path.exists(self.socket):
            time.sleep(0.1)

    def ctl(self, *words):
        subprocess.run([f"{BUILD}/client/profctl", words[0], "--socket", self.socket, *map(str, words[1:])], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    folder = tempfile.mkdtemp()
    daemon = Daemon(folder)
    offcputime = shutil.which("offcputime")
    tracers = ["nothing", "profd: another process", "profd: offcpu", "profd: offcpu, all waits",
               "profd: block, mutex, all waits"]
    tracers += ["offcputime (libbpf-tools)"] if offcputime else []
    tracers += ["bpftrace, user stacks"] if shutil.which("bpftrace") else []
    tracers += ["perf sched record"] if shutil.which("perf") else []
    results, own = {t: [] for t in tracers}, {t: [] for t in tracers}
    for _ in range(ROUNDS):
        for tracer in tracers:
            pair = subprocess.Popen([f"{BUILD}/tests/bench/switch_cost", "--bare", str(RUNS)], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
            pids = pair.stdout.readline().split()
            other = None
            if tracer == "profd: another process":
                daemon.ctl("attach", "--type", "offcpu", "--no-children", "--pid", os.getpid())
            elif tracer == "profd: offcpu":
                daemon.ctl("attach", "--type", "offcpu", "--pid", ",".join(pids))
            elif tracer == "profd: offcpu, all waits":
                daemon.ctl("attach", "--type", "offcpu", "--threshold", 0, "--pid", ",".join(pids))
            elif tracer.startswith("profd: block"):
                daemon.ctl("attach", "--type", "block,mutex", "--threshold", 0, "--pid", ",".join(pids))
            elif tracer.startswith("offcputime"):
                other = subprocess.Popen([offcputime, "-p", ",".join(pids), "60"], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
            elif tracer.startswith("bpftrace"):
                other = subprocess.Popen(["bpftrace", "-e", SCRIPT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            elif tracer.startswith("perf"):
                other = subprocess.Popen(["perf", "sched", "record", "-q", "-o", f"{folder}/perf.data"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(3 if other else 0.5)
            if other and other.poll() is not None:
                print(f"{tracer}: ended with status {other.returncode}")
            watched = daemon.process.pid if tracer.startswith("profd") else other.pid if other else os.getpid()
            before = cpu_s(watched) if os.path.exists(f"/proc/{watched}/stat") else 0
            out, _ = pair.communicate("\n")
            after = cpu_s(watched) if os.path.exists(f"/proc/{watched}/stat") else 0
            results[tracer].append(float(out))
            own[tracer].append(after - before)
            if other:
                other.send_signal(signal.SIGINT)
                other.wait()
            if tracer == "profd: another process":
                daemon.ctl("detach", "--no-children", "--pid", os.getpid())
    daemon.process.terminate()
    daemon.process.wait()
    shutil.rmtree(folder)
    for t in tracers:
        beyond = statistics.median(a - b for a, b in zip(results[t], results["nothing"]))
        print(f"{t:32} {statistics.median(results[t]):7.0f} ns a switch, {beyond:+7.0f}; own process "
              f"{statistics.median(own[t]):.2f} s of CPU")


if __name__ == "__main__":
    main()
