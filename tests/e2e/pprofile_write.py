# SPDX-License-Identifier: Apache-2.0
"""A writer of profile.proto that shares no code with profd: profiles of any shape for the tests."""
import gzip


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number, value):
    return varint(number << 3) + varint(value) if value else b""


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


class Writer:
    """stack: frames from the root to the leaf; a frame is a name or (name, module[, file[, build]])."""

    def __init__(self, kind="cpu", unit="nanoseconds", duration=10**10, first_address=0x1000):
        self.kind, self.unit, self.duration = kind, unit, duration
        self.strings, self.functions, self.mappings, self.locations = {"": 0}, {}, {}, {}
        self.first_address = first_address
        self.samples = []

    def string(self, text):
        return self.strings.setdefault(text, len(self.strings))

    def frame(self, frame):
        name, module, file, build = (*((frame,) if isinstance(frame, str) else frame), "", "", "")[:4]
        key = (name, module, file, build)
        if key not in self.locations:
            mapping = self.mappings.setdefault((module, build), len(self.mappings) + 1) if module else 0
            function = self.functions.setdefault((name, file), len(self.functions) + 1) if name else 0
            self.locations[key] = (len(self.locations) + 1, mapping, function)
        return self.locations[key][0]

    def add(self, stack, value):
        self.samples.append(([self.frame(f) for f in reversed(stack)], value))

    def encode(self):
        out = [message(1, integer(1, self.string(self.kind)) + integer(2, self.string(self.unit)))]
        for ids, value in self.samples:
            out.append(message(2, message(1, b"".join(map(varint, ids))) + message(2, varint(value))))
        for (module, build), i in self.mappings.items():
            out.append(message(3, integer(1, i) + integer(2, i << 32) + integer(3, (i << 32) + (1 << 30)) +
                               integer(5, self.string(module)) + integer(6, self.string(build)) +
                               integer(7, 1)))
        for _, (i, mapping, function) in self.locations.items():
            at = (mapping << 32) + self.first_address + i * 16
            line = message(4, integer(1, function)) if function else b""
            out.append(message(4, integer(1, i) + integer(2, mapping) + integer(3, at) + line))
        for (name, file), i in self.functions.items():
            s = self.string(name)
            out.append(message(5, integer(1, i) + integer(2, s) + integer(3, s) +
                               integer(4, self.string(file))))
        out.append(integer(10, self.duration))
        out += [message(6, text.encode()) for text in self.strings]
        return b"".join(out)

    def write(self, path):
        with open(path, "wb") as f:
            f.write(gzip.compress(self.encode(), 1))
        return path
