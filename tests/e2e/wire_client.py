#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of profd's socket, written from docs/PROTOCOL.md alone and without a protobuf library.

As a program: wire_client.py [--socket PATH] hello|status|list, prints JSON, ends with the daemon's error code.
As a module: Client, for tests that need what profctl would never send.
"""
import array
import json
import os
import socket
import struct
import sys

MESSAGE_MAX = 1048576
FDS_MAX = 64

# Field numbers of proto/profd.proto, as far as they are used here.
REQUEST = {"hello": 2, "attach": 3, "detach": 4, "list": 5, "status": 6, "dump": 7, "cancel": 8}
REPLY = {2: "error", 3: "hello", 4: "attach", 5: "detach", 6: "list", 7: "status", 8: "dump", 9: "progress"}

# What a field of a reply is: name, kind ("int", "str" or a table), repeated.
COUNTER = {1: ("name", "str", False), 2: ("value", "int", False), 3: ("text", "str", False)}
ATTACHMENT = {
    1: ("id", "int", False), 2: ("target", "str", False), 3: ("types", "str", True),
    4: ("freq_hz", "int", False), 5: ("event", "str", False), 6: ("unwind", "str", False),
    7: ("owner_uid", "int", False), 8: ("since_wall_ns", "int", False), 9: ("processes", "int", False),
    10: ("samples", "int", False), 11: ("state", "str", False),
}
PROCESS = {
    1: ("pid", "int", False), 2: ("ppid", "int", False), 3: ("comm", "str", False), 4: ("uid", "int", False),
    5: ("runtime", "str", False), 6: ("exe", "str", False), 7: ("attached", "int", False),
    8: ("hint", "str", False),
}
EVENT_SET = {
    1: ("event", "str", False), 2: ("freq_hz", "int", False), 3: ("triggered", "int", False),
    4: ("not_run", "int", False), 5: ("idle", "int", False), 6: ("filtered", "int", False),
    7: ("stored", "int", False), 8: ("dropped", COUNTER, True), 9: ("truncated", COUNTER, True),
    10: ("bpf_ns", "int", False), 11: ("frames", "int", False),
}
BODY = {
    "error": {1: ("code", "int", False), 2: ("text", "str", False)},
    "hello": {1: ("version", "int", False), 2: ("daemon", "str", False), 3: ("pid", "int", False),
              4: ("privileged", "int", False), 5: ("types", "str", True)},
    "attach": {1: ("attachment", ATTACHMENT, False), 2: ("updated", "int", False), 3: ("notes", "str", True)},
    "detach": {1: ("detached", ATTACHMENT, True)},
    "list": {1: ("attachments", ATTACHMENT, True), 2: ("processes", PROCESS, True)},
    "status": {1: ("version", "str", False), 2: ("since_wall_ns", "int", False), 3: ("state", "str", False),
               4: ("counters", COUNTER, True), 5: ("event_sets", EVENT_SET, True),
               8: ("history_from_wall_ns", "int", False), 9: ("history_to_wall_ns", "int", False),
               12: ("connections", "int", False), 13: ("stuck_helpers", "int", False)},
    "dump": {1: ("from_wall_ns", "int", False), 2: ("to_wall_ns", "int", False), 3: ("samples", "int", False),
             4: ("bytes", "int", False), 5: ("notes", "str", True)},
    "progress": {1: ("done_ns", "int", False), 2: ("total_ns", "int", False), 3: ("text", "str", False)},
}


class Refused(Exception):
    """An ErrorReply: .code is the exit status it asks for."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    """An integer or bool field; left out where it is 0, as proto3 has it."""
    return varint(field << 3) + varint(n) if n else b""


def chunk(field, value):
    """A string or a message."""
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def target(pids=(), n_pidfds=0, comms=(), exes=(), cgroups=(), units=(), everything=False, no_children=False):
    out = chunk(1, b"".join(varint(p) for p in pids)) if pids else b""
    out += number(2, n_pidfds)
    for field, values in ((3, comms), (4, exes), (5, cgroups), (6, units)):
        out += b"".join(chunk(field, v) for v in values)
    return out + number(7, everything) + number(8, no_children)


def read_varint(data, at):
    n = shift = 0
    while True:
        byte = data[at]
        at += 1
        n |= (byte & 127) << shift
        if byte < 128:
            return n, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


def fields(data):
    """(field, value) of a message: integers as int, all else as bytes."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind in (1, 2, 5):
            if kind == 2:
                n, at = read_varint(data, at)
            else:
                n = 8 if kind == 1 else 4
            if at + n > len(data):
                raise ValueError("a field that is longer than its message")
            value, at = data[at:at + n], at + n
        else:
            raise ValueError(f"wire type {kind}")
        yield tag >> 3, value


def decode(data, table):
    """A message as a dict; fields that are not in the table are skipped."""
    out = {}
    for name, kind, repeated in table.values():
        out[name] = [] if repeated else 0 if kind == "int" else "" if kind == "str" else None
    for field, value in fields(data):
        if field not in table:
            continue
        name, kind, repeated = table[field]
        if kind == "str":
            value = value.decode(errors="replace")
        elif kind != "int":
            value = decode(value, kind)
        if repeated:
            out[name].append(value)
        else:
            out[name] = value
    return out


class Client:
    def __init__(self, path=None, hello=True, version=1):
        path = path or os.environ.get("PROFD_SOCKET") or "/run/profd/profd.sock"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)  # blocking: a full backlog is waited for
        self.sock.settimeout(60)
        self.data = bytearray()
        self.fds = []
        self.last_id = 0
        if hello:
            self.hello = self.call("hello", number(1, version) + chunk(2, "wire_client.py"))

    def close(self):
        self.sock.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send_frame(self, message, fds=()):
        frame = struct.pack("<I", len(message)) + message
        control = []
        if fds:
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        sent = self.sock.sendmsg([frame], control)
        self.sock.sendall(frame[sent:])

    def read_frame(self):
        """The next message; b"" when the daemon has closed."""
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack("<I", self.data[:4])[0]:
            data, control, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(4 * FDS_MAX))
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(value[:len(value) - len(value) % got.itemsize])
                    self.fds.extend(got)
            if not data:
                return b""
            self.data += data
            if len(self.data) >= 4:
                n = struct.unpack("<I", self.data[:4])[0]
                if not 1 <= n <= MESSAGE_MAX:
                    raise ValueError(f"a frame of {n} bytes")
        n = 4 + struct.unpack("<I", self.data[:4])[0]
        message, self.data = bytes(self.data[4:n]), self.data[n:]
        return message

    def send(self, kind, body=b"", fds=()):
        """Sends a request; its id."""
        self.last_id += 1
        self.send_frame(number(1, self.last_id) + chunk(REQUEST[kind], body), fds)
        return self.last_id

    def receive(self):
        """(id, kind, body) of the next reply, or None when the daemon has closed."""
        message = self.read_frame()
        if not message:
            return None
        request = kind = body = None
        for field, value in fields(message):
            if field == 1:
                request = value
            elif field in REPLY:
                kind, body = REPLY[field], decode(value, BODY[REPLY[field]])
        return request or 0, kind, body

    def call(self, kind, body=b"", fds=()):
        """The answer to a request, past its progress. Refused for an error, ConnectionError at the end."""
        sent = self.send(kind, body, fds)
        while True:
            reply = self.receive()
            if reply is None:
                raise ConnectionError("the daemon has closed the connection")
            request, kind, body = reply
            if kind == "error" and request in (sent, 0):
                raise Refused(body["code"], body["text"])
            if request == sent and kind != "progress":
                return body

    def dump(self, body, fds=()):
        """(answer, the profile's bytes, still gzipped)."""
        answer = self.call("dump", body, fds)
        fd = self.fds.pop(0)
        try:
            return answer, os.pread(fd, answer["bytes"], 0)
        finally:
            os.close(fd)


def main(args):
    path = None
    if len(args) >= 2 and args[0] == "--socket":
        path, args = args[1], args[2:]
    if len(args) != 1 or args[0] not in ("hello", "status", "list"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        with Client(path) as client:
            answer = client.hello if args[0] == "hello" else client.call(args[0])
    except Refused as e:
        print(e, file=sys.stderr)
        return e.code
    except OSError as e:
        print(f"no daemon: {e}", file=sys.stderr)
        return 5
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
