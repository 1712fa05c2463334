#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long `profctl report --top` takes for large profiles and how much memory, next to `go tool
pprof -top` for the same file, one after the other, in pairs.

usage: report.py MAKE_PROFILE PROFCTL [--samples N,...] [--pairs N] [--pprof-up-to N]
                 [--kind threads|random] [--nice N]
"""
import argparse
import os
import resource
import shutil
import subprocess
import tempfile
import time


def run(argv, nice):
    """Seconds on the wall, seconds of CPU, MiB."""
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.nice(nice)
        os.execvp(argv[0], argv)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, (argv, status)
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("make")
    parser.add_argument("profctl")
    parser.add_argument("--samples", default="1000000,10000000")
    parser.add_argument("--frames", default="40")
    parser.add_argument("--locations", default="300000")
    parser.add_argument("--kind", default="threads", choices=["threads", "random"],
                        help="see make_profile.c")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--pprof-up-to", type=int, default=1000000)
    args = parser.parse_args()
    pprof = None
    if shutil.which("go"):
        pprof = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True,
                               check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        for samples in args.samples.split(","):
            path = os.path.join(folder, "profile.pb.gz")
            subprocess.run([args.make, path, samples, args.frames, args.locations, args.kind], check=True)
            print(f"{samples} samples of {args.frames} frames, {os.path.getsize(path) >> 20} MiB")
            for _ in range(args.pairs):
                programs = [("profctl", [args.profctl, "report", "--top", path])]
                if pprof and int(samples) <= args.pprof_up_to:
                    programs.append(("pprof", [pprof, "-top", path]))
                for name, argv in programs:
                    wall, cpu, memory = run(argv, args.nice)
                    print(f"  {name:8} {wall:7.2f} s {cpu:7.2f} s of CPU {memory:7.0f} MiB", flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
