# SPDX-License-Identifier: Apache-2.0
"""What the measuring programs share: daemons and loads of their own, interleaved pairs, medians.

Nothing here passes or fails. A script is run by hand as root: SCRIPT BUILD [OPTIONS], BUILD being a folder
of a release build; it prints one line for each figure.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import lib  # noqa: E402


class Measurement(lib.Bench):
    """Daemons, loads and programs of one script; `with` ends them all."""

    def __init__(self, args):
        super().__init__(args.build)
        self.tools = {}
        self.loads = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.stop()
        self.close()

    def shipped(self, freq=99, memory="256M"):
        """A daemon as it is installed: cpu of everything, at this rate."""
        config = self.path(f"profd-{freq}.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"[Collect]\nFrequency={freq}\n[History]\nMemory={memory}\n")
        return self.daemon("--config", config, private=False)

    def status(self, daemon):
        return json.loads(self.ok(daemon, "status", "--json").out)

    def tool(self, name):
        """A C program of this folder."""
        if name not in self.tools:
            self.tools[name] = self.path(name)
            subprocess.run(["cc", "-O2", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls",
                            "-I", os.path.join(HERE, "..", "workloads"),
                            "-o", self.tools[name], os.path.join(HERE, name + ".c")], check=True)
        return self.tools[name]

    def busy(self, cores=2, seconds=3600):
        """cores pinned processes that burn in a small call tree."""
        return self.load([[ "taskset", "-c", str(cpu), self.workload("cpu_tree"), str(seconds)]
                          for cpu in range(cores)])

    def load(self, commands, **kwargs):
        load = Load([list(map(str, c)) for c in commands], **kwargs)
        self.loads.append(load)
        return load

    def mixed(self):
        """A clang++ compile, a Go build and redis-benchmark, each over and over."""
        lib.need("clang++", "go", "redis-server", "redis-benchmark")
        source = self.path("unit.cpp")
        with open(source, "w", encoding="utf-8") as f:
            f.write(UNIT)
        socket = self.path("redis.sock")
        env = dict(os.environ, GOCACHE=self.path("go-cache"), GO111MODULE="off", CGO_ENABLED="0",
                   GOFLAGS="", HOME=self.dir)
        go = os.path.join(HERE, "..", "workloads", "cpu_go.go")
        return self.load([
            ["sh", "-c", f"while :; do clang++ -O2 -g -c -o {self.path('unit.o')} {source}; done"],
            ["sh", "-c", f"while :; do go build -a -p 1 -o {self.path('cpu_go')} {go}; done"],
            ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"],
            ["sh", "-c", f"sleep 1; while :; do redis-benchmark -s {socket} -q -n 200000; done"],
        ], env=env)


UNIT = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>
template <int N> struct table {
	std::map<std::string, std::vector<std::shared_ptr<std::function<int(int)>>>> m;
	int run(const std::string &s)
	{
		std::regex r("([a-z]+)([0-9]*)");
		std::smatch found;
		if (std::regex_match(s, found, r))
			m[found[1]].push_back(std::make_shared<std::function<int(int)>>([](int x) { return x + N; }));
		std::ostringstream out;
		for (auto &e : m)
			for (auto &f : e.second)
				out << (*f)(N);
		return static_cast<int>(out.str().size());
	}
};
template <int N> int all(const std::string &s) { return table<N>().run(s) + all<N - 1>(s); }
template <> int all<0>(const std::string &) { return 0; }
int main(int argc, char **argv) { std::cout << all<24>(argv[argc - 1]); }
"""


class Load:
    """Commands, each in a process group of its own, so that nothing of them is left. At our priority only
    where it is they that are measured."""

    def __init__(self, commands, measured=False, **kwargs):
        nice = [] if measured else ["nice", "-n", str(-os.nice(0))]
        self.children = [subprocess.Popen([*nice, *c], stdin=subprocess.DEVNULL,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          preexec_fn=os.setpgrp if measured else os.setsid, **kwargs)
                         for c in commands]

    def stop(self):
        for child in self.children:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        self.children = []


# ---- reading ----

def by_name(rows, key):
    return {row["name"]: row[key] for row in rows}


def costs(status):
    """CPU seconds of each of profd's processes, and of its programs."""
    return {name: ns / 1e9 for name, ns in by_name(status["costs"], "cpu_ns").items()}


def event_set(status, freq):
    for row in status["event_sets"]:
        if row["freq_hz"] == freq:
            return row
    return None


def dropped(row):
    return {c["name"]: c["value"] for c in row["dropped"] if c["value"]}


def proc_status(pid, key):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def children_of(pid):
    """Its helper processes as {role: [pid]}."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as f:
                stat = f.read()
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as f:
                words = f.read().split("\0")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid and "--helper" in words:
            found.setdefault(words[words.index("--helper") + 1], []).append(int(name))
    return found


def stolen_seconds():
    """CPU time that the machine below us took."""
    with open("/proc/stat", encoding="utf-8") as f:
        return int(f.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


# ---- statistics ----

def quantile(values, q):
    values = sorted(values)
    return values[min(int(q * len(values)), len(values) - 1)]


def median_interval(values, rounds=4000):
    """The median and its 95 % interval by the bootstrap, with fixed seed."""
    draw = random.Random(1)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(rounds))
    return statistics.median(values), medians[rounds * 25 // 1000], medians[rounds * 975 // 1000]


def interleaved(rounds, variants):
    """{name: [result]} of rounds A B C A B C …; every second round backwards, against drift."""
    results = {name: [] for name in variants}
    for i in range(rounds):
        names = list(variants)
        for name in names if i % 2 == 0 else reversed(names):
            results[name].append(variants[name]())
    return results


def say(what, value):
    print(f"{what:58} {value}", flush=True)


def say_ratio(what, values, base):
    middle, low, high = median_interval([(v / b - 1) * 100 for v, b in zip(values, base)])
    say(what, f"{middle:+.3f} %  (95 %: {low:+.3f} … {high:+.3f}; {len(base)} pairs)")


def prefer(nice):
    """Sets our priority, and what we start has it too. Where the kernel groups by session, a number counts
    only inside of one, so that the session needs it as well."""
    if nice == 0:
        return
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        os.setsid()
    except PermissionError:
        pass  # we lead one already
    try:
        with open("/proc/self/autogroup", "w", encoding="utf-8") as f:
            f.write(str(nice))
    except OSError:
        pass


def options(description, **defaults):
    """The command line: BUILD, and an option for each default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("build", help="folder of a release build")
    parser.add_argument("--nice", type=int, default=0, help="of what is measured, loads excepted: below 0 "
                        "where others work on this machine")
    for name, value in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    if os.geteuid() != 0:
        sys.exit("measuring needs root")
    prefer(args.nice)
    u = os.uname()
    print(f"# {u.sysname} {u.release} {u.machine}, {os.cpu_count()} CPUs, "
          f"load {os.getloadavg()[0]:.1f}, nice {args.nice}, {time.strftime('%F %T')}", flush=True)
    return args


def have(program):
    return shutil.which(program) is not None
