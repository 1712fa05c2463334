# SPDX-License-Identifier: Apache-2.0
"""A reader of profile.proto that shares no code with profd: what the tests judge it by."""
import gzip


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
        mappings, places = {}, {}
        for number, value in fields(data):
            if number == 1:
                types.append(dict(fields(value)))
            elif number == 2:
                raw.append(value)
            elif number == 3:
                m = dict(fields(value))
                mappings[m.get(1, 0)] = m.get(5, 0)
            elif number == 4:
                location, lines, place = 0, [], [0, 0]
                for n, v in fields(value):
                    if n == 1:
                        location = v
                    elif n in (2, 3):
                        place[n - 2] = v
                    elif n == 4:
                        lines.append(dict(fields(v)).get(1, 0))
                locations[location] = lines
                places[location] = place
            elif number == 5:
                f = dict(fields(value))
                functions[f.get(1, 0)] = f.get(2, 0)
            elif number == 6:
                strings.append(value.decode(errors="replace"))
        self.types = [(strings[t.get(1, 0)], strings[t.get(2, 0)]) for t in types]
        # (values, names from the leaf up, labels, mapping files of the locations, their addresses)
        self.samples = []
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
            files = [strings[mappings.get(places[i][0], 0)] for i in ids]
            addresses = [places[i][1] for i in ids]
            self.samples.append((values, names, labels, files, addresses))
