#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shares.py PROFILE.pb.gz TRUTH [--label KEY=VALUE] [--total] [--comparisons N]

Compares a pprof profile with what a workload of tests/workloads said of itself (JSON lines; lines that
are none are skipped): each function's self and cumulative share of the last sample type. With --label
only samples that carry it count. With --total the sum of all samples is compared with the CPU time too.

The bound is a binomial's: for N samples and a share p, z * sqrt(p (1 - p) / N) + half a percentage
point for what the workload's own clock calls cost; z is such that all comparisons of the whole suite
(--comparisons, default 1000) together raise a false alarm once in a million runs. cpu-clock ticks are
periodic, so N independent draws are an upper bound of the error.
"""
import argparse
import gzip
import json
import statistics
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of each field of a protobuf message; bytes for length-delimited ones."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 2:
            n, at = varint(data, at)
            value, at = data[at:at + n], at + n
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def numbers(value):
    """A repeated integer, packed or not."""
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    while at < len(value):
        n, at = varint(value, at)
        out.append(n)
    return out


class Profile:
    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        types, raw, locations, functions, strings = [], [], {}, {}, []
        for number, value in fields(data):
            if number == 1:
                types.append(dict(fields(value)))
            elif number == 2:
                raw.append(value)
            elif number == 4:
                location, lines = 0, []
                for n, v in fields(value):
                    if n == 1:
                        location = v
                    elif n == 4:
                        lines.append(dict(fields(v)).get(1, 0))
                locations[location] = lines
            elif number == 5:
                f = dict(fields(value))
                functions[f.get(1, 0)] = f.get(2, 0)
            elif number == 6:
                strings.append(value.decode(errors="replace"))
        self.types = [(strings[t.get(1, 0)], strings[t.get(2, 0)]) for t in types]
        self.samples = []  # (values, names from the leaf up, labels)
        for value in raw:
            ids, values, labels = [], [], {}
            for n, v in fields(value):
                if n == 1:
                    ids += numbers(v)
                elif n == 2:
                    values += numbers(v)
                elif n == 3:
                    label = dict(fields(v))
                    key = strings[label.get(1, 0)]
                    labels[key] = strings[label[2]] if 2 in label else str(label.get(3, 0))
            names = [strings[functions[f]] for i in ids for f in locations[i] if f in functions]
            self.samples.append((values, names, labels))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("truth")
    parser.add_argument("--label")
    parser.add_argument("--total", action="store_true")
    parser.add_argument("--comparisons", type=int, default=1000)
    args = parser.parse_args()

    try:
        profile = Profile(args.profile)
    except (OSError, ValueError, IndexError) as error:
        print(f"FAIL: {args.profile}: {error}")
        return 1
    samples = profile.samples
    if args.label:
        key, _, wanted = args.label.partition("=")
        samples = [s for s in samples if s[2].get(key) == wanted]
    truth, total_ns = [], 0
    with open(args.truth, encoding="utf-8", errors="replace") as f:
        for line in f:
            if not line.startswith("{"):
                continue
            fact = json.loads(line)
            total_ns += fact.get("total_ns", 0)
            if "function" in fact:
                truth.append(fact)
    count = sum(s[0][0] for s in samples)
    weight = sum(s[0][-1] for s in samples)
    if not truth or not total_ns or not weight:
        print(f"FAIL: {len(truth)} functions in the truth, {count} samples in the profile")
        return 1

    z = statistics.NormalDist().inv_cdf(1 - 1e-6 / 2 / args.comparisons)
    failed = False

    def compare(what, seen, true):
        nonlocal failed
        bound = z * (true * (1 - true) / count) ** 0.5 + 0.005
        bad = abs(seen - true) > bound
        failed |= bad
        print(f"{'WRONG' if bad else 'ok':5}  {what:70} {seen:7.2%} true {true:7.2%} +- {bound:.2%}")

    print(f"{count} samples, {weight} {profile.types[-1][1]}; CPU time {total_ns} ns")
    for fact in truth:
        name = fact["function"]
        own = sum(s[0][-1] for s in samples if s[1] and s[1][0] == name)
        cum = sum(s[0][-1] for s in samples if name in s[1])
        compare(f"{name} (self)", own / weight, min(1, fact["self_ns"] / total_ns))
        compare(f"{name} (cum)", cum / weight, min(1, fact["cum_ns"] / total_ns))
    if args.total:
        bound = z / count ** 0.5 + 0.02
        bad = abs(weight / total_ns - 1) > bound
        failed |= bad
        print(f"{'WRONG' if bad else 'ok':5}  all samples / CPU time: {weight / total_ns:.3f} +- {bound:.3f}")
    return 1 if failed else 0


sys.exit(main())
