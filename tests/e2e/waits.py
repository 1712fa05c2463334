#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Waiting, against programs that know by their own clocks how long they waited, and for what."""
import gzip
import json
import os
import re
import struct
import subprocess
import sys
import time

import lib
import pprofile
from lib import check, check_equal

LOG = struct.Struct("=IIIIQQQ")  # tests/workloads/waits.h: struct wait_log
EXACT = 0.01  # of waits of a millisecond and more
MS = 1_000_000
# The kernel counts the switch to a thread as CPU time of the thread; here it is off the CPU until it runs.
SWITCH = 10_000

# What each path may be called by the label `state`, besides runnable. sem_wait() jumps to a function that
# has no name where libc has none of its debug symbols.
STATES = {
    "path_mutex": {"mutex"}, "path_condvar": {"condvar"}, "path_rwlock": {"rwlock"},
    "path_semaphore": {"semaphore", "futex"}, "path_nanosleep": {"sleep"}, "path_pipe": {"pipe"},
    "path_socket": {"socket"}, "path_poll": {"poll"}, "path_epoll": {"poll"}, "path_futex": {"futex"},
    "path_fsync": {"disk", "file", "kernel-lock"}, "path_fault": {"fault", "kernel-lock"},
    "path_starved": set(), "path_five": {"mutex"}, "path_readers": {"rwlock"},
}
LOADING = ("path_fault", "path_starved")  # these keep the CPUs busy
SHORT = ("path_fsync", "path_fault")  # these wait for as long as the disk takes, much less than a millisecond


class Waits(pprofile.Profile):
    """With the span of CLOCK_MONOTONIC that the profile is of, and its comments."""

    def __init__(self, path):
        super().__init__(path)
        with open(path, "rb") as f:
            data = gzip.decompress(f.read())
        top = list(pprofile.fields(data))
        strings = [v.decode(errors="replace") for n, v in top if n == 6]
        whole = dict(top)
        offset = time.time_ns() - time.monotonic_ns()
        self.begin_ns = whole.get(9, 0) - offset
        self.end_ns = self.begin_ns + whole.get(10, 0)
        self.comments = [strings[i] for n, v in top if n == 13 for i in pprofile.numbers(v)]

    def of(self, *names, state=None, tid=None):
        return [s for s in self.samples if (not names or any(n in s[1] for n in names)) and
                (state is None or s[2].get("state") == state) and
                (tid is None or s[2].get("tid") == str(tid))]


def ns(samples):
    return sum(s[0][-1] for s in samples)


def events(samples):
    return sum(s[0][0] for s in samples)


def record(bench, types, *words, threshold="0", daemon=None):
    """profctl record of a whole run: the profiles by type (None: nothing was written), its output."""
    daemon = daemon or (bench.daemons[0] if bench.daemons else bench.daemon())
    several = "," in types
    paths = {t: bench.path(f"w.{t}.pb.gz" if several else "w.pb.gz") for t in types.split(",")}
    for path in paths.values():
        if os.path.exists(path):
            os.unlink(path)
    r = bench.ok(daemon, "record", "--type", types, "--threshold", threshold, "-o", bench.path("w.pb.gz"),
                 "--", *words)
    return {t: Waits(p) if os.path.exists(p) else None for t, p in paths.items()}, r.out


def dump(bench, daemon, kind, pid, *words, seconds=3, threshold="0"):
    path = bench.path(f"dump-{kind}.pb.gz")
    kept = [] if kind == "threadcreate" else ["--threshold", threshold]
    bench.ok(daemon, "dump", "--type", kind, *kept, "--seconds", seconds, "--pid", pid, "-o", path, *words)
    return Waits(path)


def waits_words(bench, seconds, *paths):
    """The workload `waits`, its scratch file on a disk."""
    scratch = f"/var/tmp/profd-waits-{os.getpid()}"
    bench.cleanup.append(scratch)
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/var/tmp"], capture_output=True, text=True).stdout
    if kind.strip() in ("tmpfs", "ramfs") and (not paths or {"path_fsync", "path_fault"} & set(paths)):
        raise lib.Skip("/var/tmp is no disk")
    return [bench.workload("waits"), seconds, bench.path("waits.log"), scratch, *paths]


def lines_of(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def truth(text):
    """Sums of a workload by its paths."""
    out = {}
    for line in lines_of(text):
        if "wait" in line:
            path = out.setdefault(line["wait"], {"off": 0, "voluntary": 0, "involuntary": 0, "n": 0})
            path["off"] += line["wall_ns"] - line["cpu_ns"]
            for key in ("voluntary", "involuntary", "n"):
                path[key] += line[key]
            path["path"] = line["path"]
            path.setdefault("switches", {})[line["tid"]] = line["switches"]
    return out


def log_of(path):
    """(path, tid, voluntary, involuntary, begin, end, cpu) of every wait."""
    with open(path, "rb") as f:
        return list(LOG.iter_unpack(f.read()))


def check_within(what, seen, wanted, bound):
    print(f"    {what}: {seen / MS:.3f} ms, true {wanted / MS:.3f} ms +- {bound / MS:.3f}, "
          f"off by {(seen - wanted) / max(wanted, 1):+.3%}")
    check(abs(seen - wanted) <= bound, f"{what}: {seen} ns, not {wanted} +- {bound:.0f}")


def check_paths(profile, paths):
    for name, true in paths.items():
        mine = profile.of(name)
        blocked = [s for s in mine if s[2].get("state") != "runnable"]
        states = {s[2].get("state") for s in blocked}
        taken = [s for s in mine if s[2].get("state") == "runnable"]
        print(f"    {name}: waits {events(blocked)}, true {true['voluntary']}; lost the CPU {events(taken)} "
              f"times, true {true['involuntary']}; {sorted(map(str, states))}")
        check_equal(events(blocked), true["voluntary"], f"{name}: waits")
        check(events(taken) >= true["involuntary"], f"{name}: lost the CPU")
        # It may lose the CPU between the beginning of the function and that of its clock.
        outside = 4 * ns(taken) * (events(taken) - true["involuntary"]) / max(events(taken), 1)
        switch = SWITCH * events(mine) if name in SHORT else 0
        check_within(name, ns(mine), true["off"], EXACT * true["off"] + switch + outside)
        for tid, switches in true["switches"].items():
            # Besides what it says: the wait for its first CPU, and its end.
            seen = events(profile.of(tid=tid))
            check(0 <= seen - switches <= 3, f"{name}: {seen} switches of {tid}, not {switches}")
        check(states <= STATES[name], f"{name}: {states}, not {STATES[name]}")


def test_each_path_by_the_clocks_of_the_program(bench):
    quiet = [p for p in STATES if p not in LOADING]
    for paths in (quiet, LOADING):
        profiles, out = record(bench, "offcpu", *waits_words(bench, 5, *paths))
        check_equal(profiles["offcpu"].types, [("events", "count"), ("offcpu", "nanoseconds")], "types")
        check_paths(profiles["offcpu"], truth(out))


def clipped(log, profile, path):
    """What a path waited within the profile's span: time, least and most events."""
    off = least = most = 0
    for number, _, voluntary, involuntary, begin, end, cpu in log:
        if number != path:
            continue
        part = min(end, profile.end_ns) - max(begin, profile.begin_ns)
        if part <= 0:
            continue
        off += part * (end - begin - cpu) / (end - begin)
        if profile.begin_ns < begin and end < profile.end_ns:
            least += voluntary
        most += voluntary
    return off, least, most


def test_waits_that_begin_before_and_end_after_the_window(bench):
    words = waits_words(bench, 10, "path_condvar", "path_pipe", "path_nanosleep", "path_mutex", "path_five")
    daemon = bench.daemon()
    child = bench.start(*map(str, words), stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    profile = dump(bench, daemon, "offcpu", child.pid)
    paths = truth(child.communicate(timeout=60)[0])
    log = log_of(words[2])
    print(f"    {(profile.end_ns - profile.begin_ns) / 1e9:.3f} s")
    for name, true in paths.items():
        off, least, most = clipped(log, profile, true["path"])
        mine = profile.of(name)
        blocked = [s for s in mine if s[2].get("state") != "runnable"]
        check_within(name, ns(mine), off, EXACT * off)
        print(f"      waits {events(blocked)}, true {least}..{most}")
        check(least <= events(blocked) <= most, f"{name}: {events(blocked)} waits, not {least}..{most}")


def test_waits_kept_by_chance(bench):
    threshold = 10 * MS
    names = ["path_condvar", "path_pipe", "path_nanosleep", "path_semaphore", "path_futex", "path_epoll"]
    words = waits_words(bench, 8, *names)
    profiles, out = record(bench, "offcpu", *words, threshold="10ms")
    log = log_of(words[2])
    for name, true in truth(out).items():
        lengths = [e[5] - e[4] - e[6] for e in log if e[0] == true["path"]]
        below = [d for d in lengths if d < threshold]
        # A wait of d is kept with p = d / T, and then counts for T, and for T / d waits.
        time_bound = lib.Z * sum(d * (threshold - d) for d in below) ** 0.5
        count_bound = lib.Z * sum(threshold / d - 1 for d in below) ** 0.5
        mine = profiles["offcpu"].of(name)
        check_within(name, ns(mine), true["off"], time_bound + EXACT * true["off"])
        print(f"      waits {events(mine)}, true {len(lengths)} +- {count_bound:.0f}")
        check(abs(events(mine) - len(lengths)) <= count_bound + 0.01 * len(lengths) + 2,
              f"{name}: {events(mine)} waits, not {len(lengths)}")


def test_who_holds_a_lock_is_charged_with_all_that_wait_for_it(bench):
    profiles, out = record(bench, "block,mutex,runq", *waits_words(bench, 5, "path_five", "path_readers"))
    paths = truth(out)
    block, mutex, runq = profiles["block"], profiles["mutex"], profiles["runq"]
    for name, holder, releases in (("path_five", "five_main", ("release_five", "pass_five")),
                                   ("path_readers", "readers_main", ("release_readers", "pass_readers"))):
        off = paths[name]["off"]
        check_within(f"{name}, blocked and runnable", ns(block.of(name)) + ns(runq.of(name)), off, EXACT * off)
        check_equal(events(block.of(name)), paths[name]["voluntary"], f"{name}: waits")
        # The holder waits, too, where one of the others has it.
        waited, charged = block.of(name, holder), mutex.of(*releases)
        check_within(f"{name}, charged to {'/'.join(releases)}", ns(charged), ns(waited), 0.002 * ns(waited))
        # One that is woken while it still goes to sleep waits for microseconds, and for nobody.
        check(0 <= events(waited) - events(charged) <= 2 + 0.01 * events(waited),
              f"{name}: {events(charged)} waits are charged, not {events(waited)}")
        check_equal({s[2].get("state") for s in mutex.of(*releases)}, STATES[name], "states")
        locks = {s[2].get("lock") for s in mutex.of(*releases)}
        check(len(locks) == 1 and None not in locks, f"locks: {locks}")
    # The holder's own unlock ends the longest of the five waits for each turn.
    check(ns(mutex.of("release_five")) > 0.15 * ns(mutex.of("release_five", "pass_five")), "the holder")
    own = {"release_five", "pass_five", "release_readers", "pass_readers"}
    strange = [s for s in mutex.samples if not own & set(s[1])]
    check(ns(strange) < 0.01 * ns(mutex.samples), f"others unlock, too: {strange[:3]}")
    owned = [s for s in block.of("path_five") if "owner" in s[2]]
    print(f"    an owner is named for {ns(owned) / ns(block.of('path_five')):.1%} of the time")
    check(ns(owned) > 0.5 * ns(block.of("path_five")), "who holds the lock is not known")


def test_a_futex_lock_names_who_unlocks(bench):
    profiles, out = record(bench, "block,mutex,runq", bench.workload("futex_lock"), 4, bench.path("lock.log"))
    true = truth(out)["path_lock"]
    waited = ns(profiles["block"].of("lock_contended"))
    charged = profiles["mutex"].of("unlock_wake")
    check_within("waited", waited + ns(profiles["runq"].of("path_lock")), true["off"], EXACT * true["off"])
    check_within("charged to unlock_wake", ns(charged), waited, 0.002 * waited)
    check_equal(ns(profiles["mutex"].samples), ns(charged), "charged to others")


def test_no_lock_is_seen_where_none_is_waited_for(bench):
    for words in (("unlocked", "condvars"), ("unlocked", "semaphores"), ("unlocked", "pool"), ("idle_go",)):
        daemon = bench.daemons[0] if bench.daemons else bench.daemon()
        path = bench.path("mutex.pb.gz")
        child = bench.start(bench.workload(words[0]), *words[1:], "60", stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        r = bench.profctl(daemon, "dump", "--type", "mutex", "--threshold", "0", "--seconds", 2, "--pid",
                          child.pid, "-o", path)
        seen = Waits(path).samples if r.code == 0 else []
        check(r.code in (0, 8), f"exit {r.code}: {r.err}")
        for s in seen:
            print("     ", s[:3])
        check_equal(seen, [], f"{words}: locks")
        # It was looked at: the wakings are there, where they are asked for.
        every = dump(bench, daemon, "mutex", child.pid, "--state", "all", seconds=2)
        states = {}
        for s in every.samples:
            states[s[2].get("state")] = states.get(s[2].get("state"), 0) + s[0][0]
        print(f"    {' '.join(words)}: {states}")
        check(sum(states.values()) > 20, "nothing was collected")
        os.unlink(path) if os.path.exists(path) else None
        child.kill()


def test_starvation_is_the_time_that_the_kernel_counts(bench):
    for n in (2, 4):
        profiles, out = record(bench, "runq", bench.workload("starved"), n, 4)
        for line in lines_of(out):
            mine = profiles["runq"].of("starved_burn", tid=line["thread"])
            off = line["wall_ns"] - line["cpu_ns"]
            check_within(f"thread of {n} by its clocks", ns(mine), off, EXACT * off)
            check_within(f"thread of {n} by schedstat", ns(mine), line["runq_ns"], EXACT * off)
            check(abs(events(mine) - line["involuntary"]) <= 2, f"{events(mine)}, {line['involuntary']}")


def taken_ns():
    """What interrupts and the hypervisor have taken of running threads; their CPU clocks leave it out."""
    with open("/proc/stat") as f:
        times = [int(word) for word in f.readline().split()[1:]]
    return sum(times[5:8]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def test_wall_is_elapsed_time(bench):
    taken = taken_ns()
    profiles, out = record(bench, "wall", bench.workload("blocked"), "life", 4)
    taken = taken_ns() - taken
    profile = profiles["wall"]
    check_equal(profile.types, [("samples", "count"), ("wall", "nanoseconds")], "types")
    for line in lines_of(out):
        if "life" not in line:
            continue
        mine = profile.of(tid=line["tid"])
        # From the first instruction of its function to the last, or from its making to its end.
        least, most = line["wall_ns"], line["most_ns"]
        check_within(line["life"], ns(mine), (least + most) / 2, (most - least) / 2 + 0.001 * least)
        running = [s for s in mine if s[2].get("state") == "running"]
        check_within(f"{line['life']}, running", ns(running), line["cpu_ns"],
                     0.001 * line["wall_ns"] + EXACT * line["cpu_ns"] + SWITCH * events(mine) + taken)
    check(all("state" in s[2] for s in profile.samples), "samples without a state")


def ready(bench, *words):
    """The workload `blocked`, when its threads are there, and what it has said until then."""
    child = bench.start(bench.workload("blocked"), *map(str, words), stdout=subprocess.PIPE, text=True)
    said = []
    while (line := child.stdout.readline()) != "ready\n":
        check(line, "the workload ended")
        said.append(json.loads(line))
    return child, said


def test_wall_of_a_window_is_its_length(bench):
    daemon = bench.daemon()
    child, said = ready(bench, "life", 60)
    profile = dump(bench, daemon, "wall", child.pid)
    span = profile.end_ns - profile.begin_ns
    for line in said:
        check_within(line["lives"], ns(profile.of(tid=line["tid"])), span, 0.001 * span)
    check_within("main", ns(profile.of(tid=child.pid)), span, 0.001 * span)
    child.kill()


def other_thread(pid):
    return max(int(t) for t in os.listdir(f"/proc/{pid}/task") if int(t) != pid)


def test_a_thread_that_hangs_is_there(bench):
    daemon = bench.daemon()
    child, _ = ready(bench, "hang", 60)
    tid = other_thread(child.pid)
    time.sleep(1)
    profile = dump(bench, daemon, "offcpu", child.pid)
    span = profile.end_ns - profile.begin_ns
    mine = profile.of(tid=tid)
    check_within("a thread that hung before the attach", ns(mine), span, 0.01 * span)
    check_equal(events(mine), 0, "waits that have ended")
    check(all("path_hang" in s[1] for s in mine), f"its stack: {mine}")
    check_equal({s[2].get("state") for s in mine}, {"pipe"}, "state")


def test_a_target_that_exits_while_blocked(bench):
    profiles, _ = record(bench, "offcpu", bench.workload("blocked"), "hang", 3)
    profile = profiles["offcpu"]
    mine = profile.of("path_hang")
    check_within("blocked until the exit", ns(mine), 3e9, EXACT * 3e9)
    check(events(mine) <= 1, f"{events(mine)} waits")


def test_stacks_are_whole_without_frame_pointers(bench):
    names = [p for p in STATES if p not in ("path_fsync", "path_fault")]
    words = waits_words(bench, 5, *names)
    words[0] = bench.workload("waits_nofp")
    profiles, out = record(bench, "offcpu", *words)
    n = bad = 0
    wrong = {}
    for s in profiles["offcpu"].of("waiter_main", "partner_main", *names):
        n += max(s[0][0], 1)
        path = [f for f in s[1] if f.startswith("path_")]
        last = os.path.basename(s[3][-1])
        whole = not s[2].get("truncated") and last.startswith("libc.so") and \
            ("waiter_main" in s[1] or "partner_main" in s[1])
        if not whole or len(path) > 1:
            bad += max(s[0][0], 1)
            wrong[" < ".join(s[1][:6])] = s[2].get("truncated", last)
    print(f"    {n} waits, {bad} not whole: {list(wrong.items())[:5]}")
    lib.check_at_least("whole stacks", n - bad, n, 0.999)
    for name, true in truth(out).items():
        mine = profiles["offcpu"].of(name)
        check_within(name, ns(mine), true["off"], EXACT * true["off"])


def test_states_of_cpp(bench):
    profiles, _ = record(bench, "offcpu", bench.workload("waits_cpp"), 3)
    wanted = {"path_mutex": "mutex", "path_shared_mutex": "rwlock", "path_condition": "condvar",
              "path_semaphore": "semaphore", "path_barrier": "barrier", "path_latch": "barrier",
              "path_future": "condvar", "path_join": "join", "path_atomic": "futex"}
    for name, state in wanted.items():
        mine = [s for s in profiles["offcpu"].samples if any(f.startswith(name) for f in s[1])]
        by_state = {}
        for s in mine:
            by_state[s[2].get("state")] = by_state.get(s[2].get("state"), 0) + s[0][-1]
        print(f"    {name}: {by_state}")
        check(by_state.get(state, 0) + by_state.get("runnable", 0) > 0.99 * sum(by_state.values()) > 0,
              f"{name}: {by_state}, not {state}")


def test_what_block_leaves_out_is_said(bench):
    words = waits_words(bench, 20, "path_mutex", "path_nanosleep", "path_poll")
    child = bench.start(*map(str, words), stdout=subprocess.DEVNULL)
    daemon = bench.daemon()
    time.sleep(0.3)
    profile = dump(bench, daemon, "block", child.pid, seconds=2)
    check(profile.of("path_mutex") and not profile.of("path_nanosleep", "path_poll"), "what is shown")
    check(any("sleep" in c and "poll" in c for c in profile.comments), f"left out: {profile.comments}")
    every = dump(bench, daemon, "block", child.pid, "--state", "all", seconds=2)
    check(all(every.of(p) for p in ("path_mutex", "path_nanosleep", "path_poll")), "all")
    one = dump(bench, daemon, "block", child.pid, "--state", "sleep", seconds=2)
    check_equal({s[2].get("state") for s in one.samples}, {"sleep"}, "--state sleep")
    child.kill()


def test_all_waits_are_counted(bench):
    """What has happened to each, and to the stacks that are not whole."""
    profiles, _ = record(bench, "offcpu,mutex,wall", *waits_words(bench, 3, "path_mutex", "path_nanosleep"))
    for kind, profile in profiles.items():
        lines = [c for c in profile.comments if re.match(r"(\w+ of the whole machine|truncated|dropped):", c)]
        print(f"    {kind}:", *lines, sep="\n      ")
        check(any("triggered" in c for c in lines), f"{kind}: nothing is said of losses")
        for line in lines:
            numbers = [int(n) for n in re.findall(r"\b\d+\b", line.split(":", 1)[1])]
            check(max(numbers) < 1 << 62, line)
            if "triggered" in line:
                check_equal(numbers[0], sum(numbers[1:]), line)


def test_ten_thousand_threads(bench):
    limit = int(open("/proc/sys/kernel/threads-max").read())
    if limit < 15000:
        raise lib.Skip(f"at most {limit} threads")
    daemon = bench.daemon()
    child, _ = ready(bench, "many", 10000, 60)
    n = len(os.listdir(f"/proc/{child.pid}/task"))
    profile = dump(bench, daemon, "offcpu", child.pid, seconds=4)
    span = profile.end_ns - profile.begin_ns
    sleeping = ns(profile.of("path_many"))
    check_within(f"{n - 1} threads", sleeping, span * (n - 1), EXACT * span * (n - 1))
    create = dump(bench, daemon, "threadcreate", child.pid, seconds=1)
    check_equal(events(create.samples), n, "threads")
    child.kill()


def test_a_storm_of_threads(bench):
    profiles, out = record(bench, "offcpu", bench.workload("blocked"), "storm", 1000, 5)
    facts = lines_of(out)[-1]
    mine = profiles["offcpu"].of("path_storm")
    sleeping = [s for s in mine if s[2].get("state") == "sleep"]
    print(f"    {facts}")
    check_equal(events(sleeping), facts["waits"], "waits")
    check_within("their time", ns(mine), facts["waited_ns"], EXACT * facts["waited_ns"])
    check(bench.daemons[0].alive(), "the daemon is gone")
    bench.ok(bench.daemons[0], "status", timeout=20)


def test_who_has_made_the_threads_that_live(bench):
    daemon = bench.daemon()
    child, _ = ready(bench, "many", 50, 60)
    early = dump(bench, daemon, "threadcreate", child.pid, seconds=1)
    tasks = len(os.listdir(f"/proc/{child.pid}/task"))
    check_equal(events(early.samples), tasks, "threads that live")
    check_equal(events(early.of("[before attach]")), tasks, "made before the attach")
    path = bench.path("made.pb.gz")
    words = [bench.profctl_path, "record", "--type", "threadcreate", "-o", path, "--",
             bench.workload("blocked"), "many", "50", "4"]
    other = bench.start(*words, env=bench.env(daemon), stdout=subprocess.PIPE, text=True)
    check_equal(other.stdout.readline(), "ready\n", "workload")
    target = lib.children_of(other.pid)[0]
    made = bench.path("living.pb.gz")
    bench.ok(daemon, "dump", "--type", "threadcreate", "--pid", target, "-o", made)
    living = Waits(made)
    check_equal(living.types, [("threadcreate", "count")], "types")
    check_equal(events(living.samples), len(os.listdir(f"/proc/{target}/task")), "threads that live")
    check_equal(events(living.of("spawn_many")), 50, "made by spawn_many")


sys.exit(lib.main(globals()))
