#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""rules.py RULE ROOT: one rule of the tree.

A rule takes (path below the root, text) and gives complaints. Each has examples that it has to
complain about and examples that it has to let pass; they are tried first, so that a rule which cannot
fail fails.
"""
import os
import re
import sys

FOLDERS = (".ci", "bpf", "client", "cmake", "config", "daemon", "docs", "lib", "proto", "systemd",
           "tests")
SKIPPED = re.compile(r"^(build|\.)|^(corpus|data|__pycache__)$")

# DESIGN section 3: what a room may include besides itself.
FLOOR_0 = {"base"}
FLOOR_1 = FLOOR_0 | {"profile", "wire", "abi"}
FLOOR_2 = FLOOR_1 | {"isolate", "image", "proc"}
FLOOR_4 = FLOOR_2 | {"kernel", "symbol", "go", "collect"}
EVERYTHING = FLOOR_4 | {"session", "store", "ipc", "service", "client", "top"}
MAY_INCLUDE = {
    "base": set(),
    "profile": FLOOR_0,
    "wire": FLOOR_0,
    "bpf": {"abi"},
    "abi": set(),
    "isolate": FLOOR_1,
    "image": FLOOR_1,
    "proc": FLOOR_1 | {"isolate"},
    "kernel": FLOOR_2 | {"skeletons"},
    "symbol": FLOOR_2,
    "go": FLOOR_2,
    "collect": FLOOR_2 | {"symbol/symbolizer.h"},
    "session": FLOOR_4,
    "store": FLOOR_1,
    "ipc": FLOOR_1 | {"session", "store"},
    "service": FLOOR_1,
    "client": FLOOR_1,
    "config": FLOOR_1 | {"service", "client"},
    "top": EVERYTHING,
}
# The part of bpf/ that user space shares.
ABI = {"bpf/abi.h", "bpf/drops.def", "bpf/waits.def", "bpf/unwind_step.h", "bpf/unwind_rules.h", "bpf/arch_x86.h"}

# Headers of libraries with the rooms that may see them: hostile bytes meet libdw in one room, only the
# kernel room calls bpf(), the client does not link libsystemd.
LIBRARIES = {
    r"(dwarf|gelf|libelf|elfutils/.*)\.h": {"image"},
    r"bpf/.*": {"kernel", "bpf"},
    r"linux/(bpf|btf|perf_event)\.h": {"kernel", "bpf", "abi", "image", "top"},
    r"systemd/.*": {"isolate", "kernel", "symbol", "collect", "session", "ipc", "service", "top"},
    r"zlib\.h": {"profile", "image", "client"},
    r"(jansson|microhttpd)\.h": {"client"},
    r"(seccomp|cap-ng|linux/landlock|linux/seccomp)\.h": {"isolate"},
    r"ini\.h": {"service"},
    r"(protobuf-c|google)/.*": {"wire"},
}


def tree(root):
    """Every file below the root that is ours, as paths relative to it."""
    for name in sorted(os.listdir(root)):
        if os.path.isfile(os.path.join(root, name)):
            yield name
    for top in FOLDERS:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if not SKIPPED.match(f))
            for name in sorted(files):
                yield os.path.relpath(os.path.join(folder, name), root)


def is_c(path):
    return path.endswith((".c", ".h", ".def"))


def room_of(path):
    """The room that a file belongs to; None outside of the house (tests)."""
    parts = path.split("/")
    if path in ABI:
        return "abi"
    if parts[0] in ("bpf", "client", "config"):
        return parts[0]
    if parts[0] == "lib" and len(parts) > 2:
        return parts[1]
    if parts[0] == "daemon":
        return parts[1] if len(parts) > 2 else "top"
    return None


def included_room(path, name):
    """The room of an #include "name" in a file, or a complaint about its spelling."""
    if name.startswith("../") or "/../" in name or name.startswith("./"):
        return None, f'"{name}": write "room/file.h"'
    if name in ABI:
        return "abi", None
    if re.fullmatch(r"bpf/[a-z_]+\.skel\.h", name):
        return "skeletons", None
    first = name.split("/")[0]
    if "/" not in name:
        return room_of(os.path.join(os.path.dirname(path), name)), None
    if first in ("view", "http", "live"):
        return "client", None
    if first in ("bpf", "client"):
        return first, None
    if first in ("lib", "daemon"):
        return None, f'"{name}": write "room/file.h"'
    if first in MAY_INCLUDE:
        return first, None
    return None, f'"{name}": there is no room {first}'


def includes(text, pattern):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*#\s*include\s*" + pattern, line)
        if match:
            yield number, match.group(1)


def floors(path, text):
    room = room_of(path)
    if not is_c(path) or room is None:
        return
    if room not in MAY_INCLUDE:
        yield 1, f"room {room} has no floor: give it one in tests/checks/rules.py"
        return
    for number, name in includes(text, r'"([^"]*)"'):
        other, complaint = included_room(path, name)
        if complaint:
            yield number, complaint
        elif other != room and other not in MAY_INCLUDE[room] and name not in MAY_INCLUDE[room]:
            yield number, f'{room} may not include "{name}"'


def libraries(path, text):
    room = room_of(path)
    if not is_c(path) or room is None:
        return
    for number, name in includes(text, r"<([^>]*)>"):
        for pattern, rooms in LIBRARIES.items():
            if re.fullmatch(pattern, name) and room not in rooms:
                yield number, f"{room} may not include <{name}>; may: {', '.join(sorted(rooms))}"


def file_size(path, text):
    lines = text.count("\n")
    if is_c(path) and lines > 600:
        yield lines, f"{lines} lines; 600 are the end: split it by noun"
    elif is_c(path) and lines > 500:
        print(f"warning: {path} has {lines} lines; about 500 is the habit")


def licence(path, text):
    suffixes = (".c", ".h", ".def", ".cmake", ".proto", ".py", ".go", ".cpp", ".rs", ".sh", ".js",
                ".in", ".bt")
    name = os.path.basename(path)
    if not (path.endswith(suffixes) or name == "CMakeLists.txt" or text.startswith("#!")):
        return
    head = text.splitlines()[:3]
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in head):
        yield 1, "no SPDX-License-Identifier: Apache-2.0 in the first three lines"


# Spelled so that this file does not complain about itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|(?i:\b(st" r"ub|place" r"holder)\b)")
LITERAL = re.compile(r'"(\\.|[^"\\])*"')
# The field's own words: what jumps from one piece of code to another.
FIELD_WORDS = re.compile(r"(?i:(plt|linker|call|vdso) st" r"ubs?\b)")


def unfinished(path, text):
    if path.endswith(".md") or path == "LICENSE":
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = UNFINISHED.search(FIELD_WORDS.sub("", LITERAL.sub("", line)))
        if match:
            yield number, f"'{match.group(0)}': finish it or leave it out"


def bpf_loops(path, text):
    if not path.startswith("bpf/"):
        return
    blank = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for number, line in enumerate(blank.splitlines(), 1):
        match = re.search(r"\b(may_goto|cond_break)\b", line)
        if match:
            yield number, f"{match.group(0)} is unknown to Linux 6.1; bound the loop"


def packages(path, text):
    if path != "config/packages":
        return
    seen = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"(run|build|test) ([a-z0-9][a-z0-9.+-]+)", line)
        if not match:
            yield number, f"'{line}' is not KIND PACKAGE"
        elif match.group(2) in seen:
            yield number, f"{match.group(2)} is listed twice"
        else:
            seen.add(match.group(2))


LONG = "int x;\n"
RULES = {
    "floors": (floors, [
        ("lib/base/a.c", '#include "profile/pprof.h"\n'),
        ("lib/base/a.c", '#include "bpf/abi.h"\n'),
        ("lib/wire/a.c", '#include "profile/pprof.h"\n'),
        ("daemon/image/a.c", '#include "isolate/helper.h"\n'),
        ("daemon/isolate/a.c", '#include "proc/maps.h"\n'),
        ("daemon/collect/a.c", '#include "kernel/kernel.h"\n'),
        ("daemon/collect/a.c", '#include "symbol/elf.h"\n'),
        ("daemon/session/a.c", '#  include "ipc/server.h"\n'),
        ("daemon/ipc/a.h", '#include "kernel/kernel.h"\n'),
        ("daemon/service/a.h", '#include "session/authz.h"\n'),
        ("daemon/symbol/a.c", '#include "bpf/cpu.skel.h"\n'),
        ("daemon/symbol/a.c", '#include "bpf/maps.bpf.h"\n'),
        ("client/a.c", '#include "proc/maps.h"\n'),
        ("client/view/a.c", '#include "bpf/maps.bpf.h"\n'),
        ("daemon/proc/a.c", '#include "view/view.h"\n'),
        ("daemon/proc/a.c", '#include "../image/elf.h"\n'),
        ("daemon/proc/a.c", '#include "daemon/image/elf.h"\n'),
        ("daemon/proc/a.c", '#include "nowhere/elf.h"\n'),
        ("daemon/attic/a.c", "int x;\n"),
        ("bpf/abi.h", '#include "maps.bpf.h"\n'),
    ], [
        ("daemon/collect/a.c", '#include "symbol/symbolizer.h"\n#include "proc/maps.h"\n'),
        ("daemon/pipeline.c", '#include "kernel/kernel.h"\n#include "client/verb.h"\n'),
        ("daemon/kernel/a.c", '#include "bpf/cpu.skel.h"\n#include "bpf/abi.h"\n'),
        ("client/view/a.c", '#include "view/b.h"\n#include "wire/frame.h"\n'),
        ("bpf/cpu.bpf.c", '#include "maps.bpf.h"\n#include "bpf/abi.h"\n'),
        ("tests/unit/base/test_a.c", '#include "kernel/kernel.h"\n'),
    ]),
    "libraries": (libraries, [
        ("daemon/symbol/a.c", "#include <elfutils/libdw.h>\n"),
        ("daemon/proc/a.c", "#include <bpf/libbpf.h>\n"),
        ("client/a.c", "#include <systemd/sd-bus.h>\n"),
        ("lib/base/a.c", "#include <zlib.h>\n"),
    ], [
        ("daemon/image/a.c", "#include <elfutils/libdw.h>\n#include <stdio.h>\n"),
        ("daemon/kernel/a.c", "#include <bpf/libbpf.h>\n"),
    ]),
    "file-size": (file_size, [("lib/base/a.c", LONG * 601)], [("lib/base/a.c", LONG * 500)]),
    "licence": (licence, [
        ("lib/base/a.c", "int x;\n"),
        ("lib/base/a.c", "\n\n\n/* SPDX-License-Identifier: Apache-2.0 */\n"),
        ("run", "#!/bin/sh\n"),
        ("lib/CMakeLists.txt", "project(x)\n"),
    ], [
        ("lib/base/a.c", "/* SPDX-License-Identifier: Apache-2.0 */\n"),
        ("run", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"),
        ("docs/a.md", "text\n"),
    ]),
    "unfinished": (unfinished, [
        ("lib/base/a.c", "/* TO" "DO: bound it */\n"),
        ("lib/base/a.c", "return 0; // st" "ub\n"),
        ("config/a.conf", "# Place" "holder\n"),
    ], [
        ("lib/base/a.c", 'mkdtemp("/tmp/x-' + "X" * 6 + '");\n/* a PLT st' 'ub has no row */\n'),
        ("tests/a.c", 'write_map("7000 100 St' 'ub one");\n'),
    ]),
    "bpf-loops": (bpf_loops, [
        ("bpf/a.bpf.c", "\tcond_break;\n"),
        ("bpf/a.h", 'asm("may_goto l");\n'),
    ], [("bpf/a.bpf.c", "/* no\n * cond_break: Linux 6.1 */\nbreak;\n")]),
    "packages": (packages, [
        ("config/packages", "run libelf1\ntest libelf1\n"),
        ("config/packages", "dev libelf1\n"),
        ("config/packages", "run libelf1 libdw1\n"),
    ], [("config/packages", "# text\n\nrun libelf1\n")]),
}


def main(argv):
    if len(argv) != 3 or argv[1] not in RULES:
        sys.exit(f"usage: rules.py {'|'.join(RULES)} ROOT")
    rule, bad, good = RULES[argv[1]]
    for path, text in bad:
        if not list(rule(path, text)):
            sys.exit(f"rule {argv[1]} does not complain about {path}: {text!r}")
    for path, text in good:
        for _, complaint in rule(path, text):
            sys.exit(f"rule {argv[1]} complains about {path}: {text!r}: {complaint}")
    seen = failed = 0
    for path in tree(argv[2]):
        try:
            with open(os.path.join(argv[2], path), encoding="utf-8") as f:
                text = f.read()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        seen += 1
        for number, complaint in rule(path, text):
            print(f"{path}:{number}: {complaint}")
            failed += 1
    if seen < 20:
        sys.exit(f"only {seen} files below {argv[2]}: is that the tree?")
    print(f"{seen} files, {failed} complaints")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
