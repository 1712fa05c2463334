#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that are not profiles, or are made to do harm: a line on standard error, exit status 1, and
nothing that a terminal or a browser would obey.

usage: hostile.py PROFCTL
"""
import gzip
import os
import random
import resource
import subprocess
import sys
import tempfile
import zlib

import synthetic
from synthetic import Writer, message, number

NAMES = ["\x1b[31mred\x1b[0m", "<script>alert(1)</script>", "a\nb\rc\td\x07", "\x9b2J\x9d0;title\x07",
         "\u202eevil\u2028line", '"quote\\', "]]>&amp;'", "-> x; y:z ", "\x7f\x00rest", "é" * 3000]
BYTES = [b"\xff\xfe\xfd", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"]
VIEWS = (["report", "--top"], ["report", "--tree"], ["report", "--traces"], ["report", "--peek", "."],
         ["report", "--list", "."], ["report", "--granularity", "addresses"],
         ["convert", "-f", "folded"], ["convert", "-f", "text"], ["convert", "-f", "json"],
         ["convert", "-f", "dot"], ["convert", "-f", "perf-script"], ["convert", "-f", "speedscope"],
         ["convert", "-f", "svg"], ["convert", "-f", "html"])


def is_sanitized(program):
    """Its shadow takes more address space than any bound leaves."""
    with open(program, "rb") as f:
        return b"__asan_init" in f.read()


def run(profctl, argv, data, limit=None):
    def bound():
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        done = subprocess.run([profctl, argv[0], f.name, *argv[1:]], capture_output=True,
                              preexec_fn=bound, timeout=100)
    return done.returncode, done.stdout, done.stderr


def refused(profctl, what, data, limit=None):
    code, out, said = run(profctl, ["report"], data, limit)
    lines = said.decode().splitlines()
    assert code == 1 and not out and len(lines) == 1 and lines[0].startswith("profctl: "), \
        f"{what}: exit {code}, {said[:300]}, {out[:100]}"
    assert all(c.isprintable() for c in lines[0]), what


def named(names):
    """A profile whose every text is one of the names."""
    w = Writer([])
    pick = lambda: w.string(random.choice(names))
    out = message(1, number(1, pick()) + number(2, pick()))
    out += message(3, number(1, 1) + number(3, 1 << 20) + number(5, pick()) + number(6, pick()))
    for i in range(30):
        out += message(5, number(1, i + 1) + number(2, pick()) + number(3, pick())
                       + number(4, pick()))
        out += message(4, number(1, i + 1) + number(2, 1) + number(3, i + 16)
                       + message(4, number(1, i + 1) + number(2, i)))
    for i in range(40):
        stack = [random.randint(1, 30) for _ in range(9)]
        out += message(2, w.numbers(1, stack) + w.numbers(2, [i + 1])
                       + message(3, number(1, pick()) + number(2, pick())))
    for field in (7, 13, 15):
        out += number(field, pick())
    for s in w.strings:
        out += message(6, s if isinstance(s, bytes) else s.encode())
    return gzip.compress(out)


def harmless(what, argv, out):
    text = out.decode("utf-8")  # raises where invalid UTF-8 passes
    for c in set(text):
        code = ord(c)
        assert c in "\n\t" or (code >= 0x20 and not 0x7F <= code < 0xA0), f"{what} {argv}: {c!r}"
        assert code not in (0x202E, 0x2028) or argv[-1] in ("json", "speedscope"), \
            f"{what} {argv}: {c!r}"
    if argv[-1] in ("svg", "html"):
        assert "<script>alert" not in text, f"{what} {argv}"


def two_gigabytes():
    """Small as gzip: one label of 2 GiB, and 2 GiB of an unknown field."""
    for field in (6, 99):
        z = zlib.compressobj(9, zlib.DEFLATED, 31)
        data = z.compress(message(1, number(1, 0)) + synthetic.varint(field << 3 | 2)
                          + synthetic.varint(1 << 31))
        block = bytes(1 << 24)
        for _ in range(128):
            data += z.compress(block)
        yield field, data + z.flush()


def main():
    profctl = sys.argv[1]
    random.seed(1)
    good = synthetic.make(7)
    plain = gzip.decompress(good)
    refused(profctl, "empty", b"")
    refused(profctl, "text", b"hello\n")
    refused(profctl, "binary", bytes(random.randrange(256) for _ in range(4096)))
    for n in (1, 10, 18, len(good) // 3, len(good) - 9, len(good) - 1):
        refused(profctl, f"truncated at {n}", good[:n])
    # Protobuf cut between two fields is valid protobuf: without its end it lacks what is used.
    for n in (5, len(plain) // 2, len(plain) - 3):
        refused(profctl, f"plain, truncated at {n}", plain[:n])
    for at in range(20, len(good), len(good) // 40):
        damaged = bytearray(good)
        damaged[at] ^= 0x55
        code, _, said = run(profctl, ["report"], bytes(damaged))
        assert code == 1 and said.startswith(b"profctl: "), f"damaged at {at}: {code} {said}"
    refused(profctl, "two profiles", gzip.compress(plain + plain))
    for field in (3, 4, 5):
        refused(profctl, f"an id twice in {field}", plain + message(field, number(1, 1)) * 2)
        refused(profctl, f"no id in {field}", plain + message(field, b""))
    refused(profctl, "huge length", plain + b"\x32\xff\xff\xff\xff\x0f")
    refused(profctl, "no such function", plain + message(4, number(1, 999) + message(4, number(1, 777))))
    refused(profctl, "no such string", plain + message(5, number(1, 999) + number(2, 1 << 30)))
    limit = None if is_sanitized(profctl) else 3 << 30
    for field, bomb in [] if os.environ.get("QUICK") else two_gigabytes():
        code, out, said = run(profctl, ["report"], bomb, limit)
        assert code == 1, f"2 GiB in field {field}: exit {code} {said[:200]}"
    for i in range(8):
        names = NAMES if i < 6 else [*NAMES, *BYTES]
        data = named_bytes(names)
        for argv in VIEWS:
            code, out, said = run(profctl, argv, data)
            assert code == 0 and not said, f"{argv}: exit {code} {said[:300]}"
            harmless(f"names {i}", argv, out)
    print("everything was refused with a line, or shown without harm")
    return 0


def named_bytes(names):
    """As named(), names may be bytes that are no text."""
    table = {n: f"@{i}@" for i, n in enumerate(names) if isinstance(n, bytes)}
    data = gzip.decompress(named([table.get(n, n) for n in names]))
    for raw, marker in table.items():
        old = marker.encode()
        data = data.replace(old, raw.ljust(len(old), b"x")[:len(old)])
    return gzip.compress(data)


if __name__ == "__main__":
    sys.exit(main())
