#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""How many user stacks of programs at their own work reach the thread's first frame, and why the others do
not; and in which functions they end."""
import collections
import os
import subprocess
import time

import measure
from measure import say
import programs


def shown(counts, n, total):
    return ", ".join(f"{what} {count}" if total is None else f"{what} {count / total:.3%}"
                     for what, count in counts.most_common(n)) or "-"


def report(name, profile):
    reasons, ends, where = collections.Counter(), collections.Counter(), collections.Counter()
    n = frames = 0
    for values, functions, labels, files, addresses, *_ in profile.samples:
        user = [i for i, f in enumerate(files) if f and not f.startswith("[kernel")]
        if not user:
            continue
        n += values[0]
        frames += len(user) * values[0]
        last = user[-1]
        place = functions[-1] if functions else "?"
        reason = labels.get("truncated")
        if reason:
            reasons[reason] += values[0]
            where[f"{reason} at {place} ({os.path.basename(files[last])}+{addresses[last]:#x})"] += values[0]
        else:
            ends[place] += values[0]
    whole = sum(ends.values())
    if not n:
        say(name, "no samples")
        return
    say(name, f"{n} samples, {frames / n:.1f} frames, {whole / n:.3%} whole; "
        f"others: {shown(reasons, 6, None)}; ends: {shown(ends, 4, n)}")
    for what, count in where.most_common(4):
        print(f"    {count}: {what}", flush=True)


def main():
    args = measure.options(__doc__, seconds=30, freq=999, parallel=1, targets=",".join(
        name.replace(",", ";") for name in programs.TARGETS | programs.SHORT))
    names = [name.replace(";", ",") for name in args.targets.split(",")]
    with measure.Measurement(args) as m:
        while names:
            group, names = names[:args.parallel], names[args.parallel:]
            daemon = m.daemon()
            records = []
            for i, name in enumerate(group):
                try:
                    pid = programs.start(m, name)
                except measure.lib.Skip as reason:
                    say(name, str(reason))
                    continue
                records.append((name, pid, m.path(f"{i}.pb.gz")))
            time.sleep(0.5)
            running = [subprocess.Popen(
                [m.profctl_path, "record", "--pid", str(pid), "-F", str(args.freq), "-d", str(args.seconds),
                 "-o", path], env=m.env(daemon), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                for name, pid, path in records]
            for process in running:
                process.wait()
            programs.stop(m)
            for name, pid, path in records:
                report(name, m.profile(path))
            daemon.close()


main()
