#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profd itself: what is left behind when it is killed, and the sum of all samples at the highest rate."""
import json
import os
import subprocess
import sys
import time

import lib
from lib import burner, check, check_equal, children_of, count, dump


def bpf_ids(kind, pid):
    """Ids of the BPF programs, maps or links that a process has open."""
    out = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                out |= {int(line.split()[1]) for line in f if line.startswith(kind + "_id:")}
        except FileNotFoundError:
            pass  # a file of a target, closed meanwhile
    return out


def all_ids(kind):
    out = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True, check=True).stdout
    return {x["id"] for x in json.loads(out or "[]")}


def test_nothing_is_left_behind_by_sigkill(bench):
    lib.need("bpftool")
    daemon = bench.daemon()
    child = burner(bench)
    bench.ok(daemon, "attach", "--all", "-F", 499)
    time.sleep(1)
    dump(bench, daemon, "--pid", child.pid)
    pid = daemon.process.pid
    helpers = children_of(pid)
    held = {kind: bpf_ids(kind, pid) for kind in ("prog", "map", "link")}
    print(f"    {len(helpers)} helpers, " + ", ".join(f"{len(v)} {k}s" for k, v in held.items()))
    check(helpers and held["prog"] and held["map"], "nothing to be left behind")
    daemon.process.kill()
    daemon.process.wait()
    lib.wait_until(lambda: not [h for h in helpers if os.path.exists(f"/proc/{h}")], 30, "the helpers' end")
    for kind, ids in held.items():
        lib.wait_until(lambda: not all_ids(kind) & ids, 30, f"the end of its BPF {kind}s")
    # Its socket is in nobody's way.
    again = bench.daemon(socket=daemon.socket)
    bench.ok(again, "status")


def test_10000_hz_on_all_cpus(bench):
    """No loss but what the kernel did not run, and the sum is exact."""
    daemon = bench.daemon()
    for _ in range(os.cpu_count()):
        bench.start(bench.workload("cpu_tree"), "20", stdout=subprocess.DEVNULL)
    bench.ok(daemon, "attach", "--all", "-F", 10000)
    time.sleep(5)
    bench.ok(daemon, "detach", "--all")

    def settled():
        e = [e for e in json.loads(bench.ok(daemon, "status", "--json").out)["event_sets"]
             if e["freq_hz"] == 10000][0]
        time.sleep(0.3)
        again = [e for e in json.loads(bench.ok(daemon, "status", "--json").out)["event_sets"]
                 if e["freq_hz"] == 10000][0]
        return e if e["stored"] == again["stored"] else None
    e = lib.wait_until(settled, 20, "the drain")
    dropped = {d["name"]: d["value"] for d in e["dropped"] if d["value"]}
    print(f"    triggered {e['triggered']}, not_run {e['not_run']}, idle {e['idle']}, filtered {e['filtered']}, "
          f"stored {e['stored']}, dropped {dropped}")
    check_equal(dropped, {}, "dropped")
    check_equal(e["triggered"], e["not_run"] + e["idle"] + e["filtered"] + e["stored"], "the sum")
    check(e["stored"] > 0.5 * os.cpu_count() * 5 * 10000, f"{e['stored']} stored")
    samples = dump(bench, daemon, "--all")
    check_equal(count(samples), e["stored"], "samples of the dump")


sys.exit(lib.main(globals()))
