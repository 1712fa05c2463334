# SPDX-License-Identifier: Apache-2.0
"""Profiles made by chance, in encodings that writers of profile.proto use or may use."""
import gzip
import random


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def message(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


class Writer:
    """`style`: what is foreign about the encoding."""

    def __init__(self, style):
        self.style = style
        self.strings = [""]
        self.known = {"": 0}

    def string(self, text):
        if text not in self.known or "duplicates" in self.style and random.random() < 0.3:
            self.known[text] = len(self.strings)
            self.strings.append(text)
        return self.known[text]

    def id(self, n):
        return n * 7919 + (1 << 40) if "large ids" in self.style else n + 1

    def numbers(self, field, values):
        if "unpacked" in self.style:
            return b"".join(varint(field << 3) + varint(v) for v in values)
        return message(field, b"".join(varint(v) for v in values))

    def label(self, key, value):
        if isinstance(value, tuple):
            unit = self.string(value[1])
            return message(3, number(1, self.string(key)) + number(3, value[0]) + number(4, unit))
        return message(3, number(1, self.string(key)) + number(2, self.string(value)))


TYPES = [("samples", "count"), ("cpu", "nanoseconds")], [("inuse_space", "bytes")], \
    [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"),
     ("inuse_space", "bytes")], [("contentions", "count"), ("delay", "nanoseconds")], \
    [("events", "widgets")], [("wall", "ms")]
NAMES = "f{}", "main.(*T{}).run", "main.generic{}[...]", "ns::Class{}::method", \
    "ns::f{}<int, (a)0>(std::vector<x>)", "operator{}(", "_start{}", "github.com/a/b/v2/c.f{}", \
    "java.util.List{}.get", "f{} with space"
FILES = "", "/src/a.c", "/src/../src/./b.c", "rel/c.go", "/proc/self/cwd/d.cc", "/src//e.go"
STYLES = [], ["unpacked"], ["tables first"], ["large ids"], ["plain"], ["members"], \
    ["unpacked", "tables first", "large ids", "plain", "duplicates"]


def make(seed):
    random.seed(seed)
    style = STYLES[seed % len(STYLES)]
    w = Writer(style)
    types = TYPES[seed % len(TYPES)]
    head, tables, samples = [], [], []
    for kind, unit in types:
        head.append(message(1, number(1, w.string(kind)) + number(2, w.string(unit))))
    files = ["/usr/bin/prog", "/lib/libx.so.1", "[vdso]"]
    random.shuffle(files)
    for i, file in enumerate(files):
        tables.append(message(3, number(1, w.id(i)) + number(2, (i + 1) << 20)
                              + number(3, (i + 2) << 20) + number(5, w.string(file))
                              + number(6, w.string(random.choice(["", f"{seed:08x}"])))
                              + number(7, 1) + number(8, 1) + number(9, 1)))
    n_functions, n_locations = random.randint(2, 40), random.randint(2, 120)
    for i in range(n_functions):
        name = random.choice(NAMES).format(i // 2) if random.random() < 0.97 else ""
        system = random.choice([name, name, name + "_mangled"])
        tables.append(message(5, number(1, w.id(i)) + number(2, w.string(name))
                              + number(3, w.string(system)) + number(4, w.string(random.choice(FILES)))
                              + number(5, random.choice([0, i * 10]))))
    for i in range(n_locations):
        mapping = random.randint(0, 3)
        data = number(1, w.id(i)) + number(2, w.id(mapping - 1) if mapping else 0)
        data += number(3, random.randint(1 << 20, 4 << 20))
        for _ in range(random.choice([0] + [1] * 8 + [2, 3])):
            data += message(4, number(1, w.id(random.randrange(n_functions)))
                            + number(2, random.randint(0, 99)))
        tables.append(message(4, data))
    low = min(n_locations, 6)
    for _ in range(random.randint(1, 250)):
        depth = random.randint(1, 30)
        stack = [w.id(random.randrange(random.choice([n_locations, low]))) for _ in range(depth)]
        value = [random.randrange(1000) * random.randrange(1000) * (1 if k % 40 else 100000)
                 for k in range(len(types))]
        if seed % 5 == 4 and random.random() < 0.25:
            value = [-v for v in value]
        data = w.numbers(1, stack) + w.numbers(2, value)
        if seed % 2:
            if random.random() < 0.7:
                data += w.label("thread", random.choice(["main", "worker-1", "io"]))
            if random.random() < 0.5:
                data += w.label("bytes", (random.choice([512, 2048, 1 << 20]), "bytes"))
            if random.random() < 0.3:
                data += w.label("request", (random.randint(1, 9000), ""))
        samples.append(message(2, data))
    tail = []
    if seed % 3 == 0:
        tail.append(number(7, w.string(r"f1|_start.*|main\.(?:.*)2|ns::f[\d]+")))
        tail.append(number(8, w.string(".*2.*" if seed % 2 else "")))
    if seed % 4:
        tail += [number(9, 1700000000123456789 + seed * 50000000000000),
                 number(10, random.randrange(2000000000) * 10)]
    tail.append(message(11, number(1, w.string("cpu")) + number(2, w.string("nanoseconds"))))
    tail.append(number(12, 1000))
    tail.append(number(13, w.string(f"seed {seed}")))
    order = head + tables + samples + tail if "tables first" in style else \
        head + samples + tables + tail
    order += [message(6, s.encode()) for s in w.strings]
    data = b"".join(order)
    if "plain" in style:
        return data
    if "members" in style:
        half = len(data) // 2
        return gzip.compress(data[:half]) + gzip.compress(data[half:])
    return gzip.compress(data)


def finish(w, out):
    return gzip.compress(out + b"".join(message(6, s.encode()) for s in w.strings))


def small(unit):
    """Three stacks of three functions, in a unit."""
    w = Writer([])
    out = message(1, number(1, w.string("samples")) + number(2, w.string("count")))
    out += message(1, number(1, w.string("amount")) + number(2, w.string(unit)))
    for i, name in enumerate(["main", "a", "b"]):
        out += message(5, number(1, i + 1) + number(2, w.string(name)) + number(3, w.string(name)))
        out += message(4, number(1, i + 1) + message(4, number(1, i + 1)))
    for i, stack in enumerate(([2, 1], [3, 1], [3, 2, 1])):
        out += message(2, w.numbers(1, stack) + w.numbers(2, [i + 1, 1700 * i + 3]))
    out += message(11, number(1, w.string("amount")) + number(2, w.string(unit))) + number(12, 10)
    return finish(w, out)


MANGLED = "_Z3foov", "_Z3fooi", "_ZNSt6vectorIiSaIiEE9push_backEOi", "_Z3fooILi3EEvv.part.0", \
    "_ZlsRSoRK3Foo", "_ZN3FoolsEi", "_ZN3FooltIiEEbRKT_", "_ZN3FoossERKS_", "_ZN3FooptEv", \
    "_ZN3FoocvSt6vectorIiSaIiEEEv", "_ZNK3FooclEv", "_ZZ4mainENKUlvE_clEv", "_ZTVN1a1bE", \
    "_ZZN3Foo3barEiENKUlT_E_clIiEEDaS0_", "_ZN12_GLOBAL__N_13fooEv", "_ZGVZ3foovE1x", \
    "_GLOBAL__sub_I__Z3foov", "_ZThn16_N3Foo3barEv", "_Z1fI1AIXgtLi3ELi2EEEEvv", \
    "_Z1fIXadL_Z1gvEEEvv", "_ZNSt3__16vectorIiNS_9allocatorIiEEE6resizeEm", \
    "_ZNSt8functionIFvRKSt6vectorIiSaIiEEEEclES5_", "_ZN5outerIiE5innerIcE4funcIlEEvv", \
    "_ZN4main4main17he714a2e23ed7db23E", "_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d$" \
    "17h9876543210fedcbaE", "_RNvC6_123foo3bar", "_RINtC8arrayvec8ArrayVechKj7b_E", \
    "_RNCNCNgCs6DXkGYLi8lr_2cc5spawn00B5_", "_RNvC4test4main.llvm.123", "_Z", "_R", "_ZN", \
    "__Znam", "_start", "foo__Fi", "main.(*T).Run", "ns::f<int>(int)", "operator<(a, b)"


def mangled():
    """Names as compilers write them: alone, and beside one that somebody demangled."""
    w = Writer([])
    out = message(1, number(1, w.string("cpu")) + number(2, w.string("nanoseconds")))
    cases = [(n, n) for n in MANGLED] + [("", n) for n in MANGLED] + [("given(int)", "_Z5giveni")]
    for i, (name, system) in enumerate(cases):
        out += message(5, number(1, i + 1) + number(2, w.string(name)) + number(3, w.string(system)))
        out += message(4, number(1, i + 1) + message(4, number(1, i + 1)))
        out += message(2, w.numbers(1, [i + 1, 1 + i // 5]) + w.numbers(2, [1000 + i * i]))
    return finish(w, out)
