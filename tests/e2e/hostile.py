#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets that mean harm: crafted files, file systems that never answer, perf maps of others, thousands of
mappings, names full of escapes. Each may cost itself its symbols and nobody else anything."""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time

import lib
from lib import burner, check, check_equal, compile_c, count, dump, healthy, leaves_in, names_of

NOBODY = 65534


# ---- crafted files ----

class Elf:
    """The section table of a 64-bit little-endian ELF file, to do harm to."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = bytearray(f.read())
        self.shoff, = struct.unpack_from("<Q", self.data, 0x28)
        self.shnum, self.shstrndx = struct.unpack_from("<HH", self.data, 0x3c)
        names = self.header(self.shstrndx)
        self.sections = {}
        for i in range(self.shnum):
            h = self.header(i)
            at = names[4] + h[0]
            self.sections[self.data[at:self.data.index(0, at)].decode()] = i

    def header(self, i):
        return struct.unpack_from("<IIQQQQIIQQ", self.data, self.shoff + 64 * i)

    def set(self, section, field, value):
        """field: a number of the ten of a section header."""
        at = self.shoff + 64 * self.sections[section]
        h = list(struct.unpack_from("<IIQQQQIIQQ", self.data, at))
        h[field] = value
        struct.pack_into("<IIQQQQIIQQ", self.data, at, *h)

    def fill(self, section, make):
        h = self.header(self.sections[section])
        self.data[h[4]:h[4] + h[5]] = make(h[5])


NAME, TYPE, FLAGS, ADDRESS, OFFSET, SIZE, LINK, INFO, ALIGN, ENTRY = range(10)
HUGE = (1 << 64) - 8


def crafts():
    """{name: what it does to an Elf}. None touches what the loader or the program itself uses."""
    r = random.Random(1)
    noise = r.randbytes
    out = {
        "shoff": lambda e: struct.pack_into("<Q", e.data, 0x28, len(e.data) - 5),
        "shoff_far": lambda e: struct.pack_into("<Q", e.data, 0x28, HUGE),
        "shnum": lambda e: struct.pack_into("<H", e.data, 0x3c, 65535),
        "shentsize": lambda e: struct.pack_into("<H", e.data, 0x3a, 1),
        "shstrndx": lambda e: struct.pack_into("<H", e.data, 0x3e, 65534),
        "headers": lambda e: e.data.__setitem__(slice(e.shoff, len(e.data)), noise(len(e.data) - e.shoff)),
        "cut": lambda e: e.data.__delitem__(slice(e.header(e.sections[".bss"])[4], len(e.data))),
        "cut_half": lambda e: e.data.__delitem__(
            slice((e.header(e.sections[".bss"])[4] + len(e.data)) // 2, len(e.data))),
        "symtab_size": lambda e: e.set(".symtab", SIZE, HUGE),
        "symtab_entry": lambda e: e.set(".symtab", ENTRY, 0),
        "symtab_link": lambda e: e.set(".symtab", LINK, 60000),
        "symtab_noise": lambda e: e.fill(".symtab", noise),
        "strtab_noise": lambda e: e.fill(".strtab", lambda n: b"A" * n),
        "escapes": lambda e: e.fill(".strtab", lambda n: (b"\x1b[31m\n\"\\\xff" * n)[:n - 1] + b"\0"),
        "eh_frame_hdr": lambda e: e.fill(".eh_frame_hdr", noise),
        "eh_frame": lambda e: e.fill(".eh_frame", noise),
        "build_id": lambda e: e.fill(".note.gnu.build-id", lambda n: b"\xff\xff\xff\x7f" * (n // 4)),
        "compressed": lambda e: (e.set(".debug_info", FLAGS, 0x800), e.fill(
            ".debug_info", lambda n: struct.pack("<IIQQ", 1, 0, 1 << 60, 1) + noise(n - 24))),
        "gopclntab": lambda e: e.set(".comment", NAME, e.header(e.sections[".comment"])[NAME]),
    }
    for section in ("info", "abbrev", "line", "str", "aranges"):
        out["debug_" + section] = lambda e, s=section: e.fill(".debug_" + s, noise)
    for field, what in ((OFFSET, "offset"), (SIZE, "size"), (TYPE, "type")):
        out["debug_info_" + what] = lambda e, f=field: e.set(".debug_info", f, 0xfffffff0)
    return out


LIBRARY = """
__attribute__((noinline)) void lib_spin(void)
{
	static volatile unsigned long sink;
	for (int i = 0; i < 1000000; i++)
		sink += i;
}
void lib_run(void)
{
	for (;;)
		lib_spin();
}
"""


def test_crafted_libraries(bench):
    """The same for libraries: the program's own functions and those of a sound library keep their names."""
    daemon = bench.daemon()
    original = compile_c(bench, "libspin.so", LIBRARY, "-O1", "-g", "-fno-omit-frame-pointer", "-fPIC",
                         "-shared", "-Wl,--build-id")
    with open(bench.path("user.c"), "w") as f:
        f.write("void lib_run(void);\nint main(void) { lib_run(); return 0; }\n")
    program = bench.path("user")
    subprocess.run(["gcc", "-o", program, "-O1", "-g", "-fno-omit-frame-pointer", bench.path("user.c"), original],
                   check=True)
    bench.ok(daemon, "attach", "--exe", program, "-F", 499)
    children, everything = {}, crafts()
    for name in ("sound", "shoff", "headers", "symtab_size", "strtab_noise", "debug_abbrev", "eh_frame_hdr",
                 "compressed", "build_id"):
        os.mkdir(bench.path(name))
        path = bench.path(os.path.join(name, "libspin.so"))
        elf = Elf(original)
        everything.get(name, lambda e: None)(elf)
        with open(path, "wb") as f:
            f.write(elf.data)
        children[name] = bench.start(program, env=dict(os.environ, LD_PRELOAD=path)), path
    time.sleep(4)
    for child, _ in children.values():
        check_equal(child.poll(), None, "it should run")
        child.kill()
    for name, (child, path) in children.items():
        samples = dump(bench, daemon, "--pid", child.pid)
        own = leaves_in(samples, path)
        print(f"    {name}: {own}")
        check(sum(own.values()) > 0.8 * count(samples) > 0, f"{name}: {own} of {count(samples)} are in it")
        with_main = count([s for s in samples if "main" in s[1]])
        check(with_main > 0.8 * count(samples), f"{name}: main in {with_main} of {count(samples)}")
        if name in ("sound", "debug_abbrev", "compressed", "build_id", "eh_frame_hdr"):
            check(own.get("lib_spin", 0) > 0, f"{name}: lib_spin is not named: {own}")


def test_crafted_files(bench):
    """Programs whose sections lie: each runs, is sampled and keeps its place; only its names may be missing."""
    lib.need("objcopy")
    daemon = bench.daemon()
    other = burner(bench)
    original = bench.workload("short_lived")
    garbage = bench.path("garbage")
    with open(garbage, "wb") as f:
        f.write(b"\xf1\xff\xff\xff\0\0\1\x08" + random.Random(2).randbytes(4096))
    programs = {}
    for name, craft in crafts().items():
        path = bench.path("c_" + name[:13])
        if name == "gopclntab":
            subprocess.run(["objcopy", "--add-section", f".gopclntab={garbage}", "--add-section",
                            f".go.buildinfo={garbage}", original, path], check=True)
        else:
            elf = Elf(original)
            craft(elf)
            with open(path, "wb") as f:
                f.write(elf.data)
            os.chmod(path, 0o755)
        programs[name] = path
    bench.ok(daemon, "attach", "--all", "-F", 499)
    children = {}
    for name, path in programs.items():
        children[name] = bench.start(path, "60", stdout=subprocess.DEVNULL)
    time.sleep(5)
    for name, child in children.items():
        check_equal(child.poll(), None, f"{name} should run")
        child.kill()
        child.wait()
    samples = dump(bench, daemon, "--all")
    for name, child in children.items():
        own = [s for s in samples if s[2]["pid"] == str(child.pid) and s[3] and s[3][0] == programs[name]]
        check(own, f"{name}: no sample in its own file")
        print(f"    {name}: {count(own)} samples, {sorted({s[1][0] for s in own})[:3]}")
    healthy(bench, daemon, other)
    # What harms only the DWARF leaves the symbol table.
    for name in ("debug_info", "debug_abbrev", "compressed", "debug_info_offset", "gopclntab"):
        check("short_work" in leaves_in(samples, programs[name]), f"{name} costs .symtab's names, too")
    shown = bench.ok(None, "report", bench.path("dump.pb.gz"), "--top", "--no-pager").out
    check("\x1b" not in shown, "an escape of a symbol's name reaches the terminal")
    stuck = json.loads(bench.ok(daemon, "status", "--json").out)["stuck_helpers"]
    check_equal(stuck, 0, "stuck helpers")


# ---- file systems ----

def mute_fs(bench, name):
    """(mount point, switch) of a file system with one file, `program`; with the switch it goes mute."""
    where, switch = bench.path(name), bench.path(name + ".mute")
    os.mkdir(where)
    child = bench.start(bench.workload("mute_fs"), bench.workload("short_lived"), switch, where)
    try:
        lib.wait_until(lambda: os.path.ismount(where) or child.poll() is not None, 10, "mounting")
        if child.poll() is not None:
            raise lib.Skip("cannot mount a FUSE file system")
    except AssertionError as e:
        raise lib.Skip(f"cannot mount a FUSE file system: {e}")
    return where, switch, child


def test_a_file_system_that_stops_answering(bench):
    """A target on it costs its own names. The second one hides behind an overlay, whose type tells nothing."""
    daemon = bench.daemon()
    where, switch, server = mute_fs(bench, "fuse")
    mounts = [where]
    other = burner(bench)
    programs = {"fuse": os.path.join(where, "program")}
    empty, overlay = bench.path("empty"), bench.path("overlay")
    os.mkdir(empty)
    os.mkdir(overlay)
    if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={where}:{empty}", overlay],
                      capture_output=True).returncode == 0:
        programs["overlay"] = os.path.join(overlay, "program")
        mounts.insert(0, overlay)
    else:
        print("    no overlay of it here")
    try:
        targets = {n: bench.start(p, "60", stdout=subprocess.DEVNULL) for n, p in programs.items()}
        time.sleep(0.3)
        with open(switch, "w"):
            pass
        bench.ok(daemon, "attach", "--all", "-F", 499, timeout=60)
        time.sleep(1.5)
        healthy(bench, daemon, other)
        # Its own dump has its samples, whatever they are called; with it, so has everybody's.
        for name, target in targets.items():
            own = dump(bench, daemon, "--pid", target.pid)
            check(count(own) > 0, f"no samples of the target on {name}")
            print(f"    {name}: {count(own)} samples, {sorted(names_of(own))[:3]}")
            healthy(bench, daemon, other)
        everything = dump(bench, daemon, "--all")
        pids = {s[2]["pid"] for s in everything}
        check({str(t.pid) for t in [other, *targets.values()]} <= pids, "a target is missing")
        bench.ok(daemon, "ps", "--all")
        status = json.loads(bench.ok(daemon, "status", "--json").out)
        print("   ", status["state"], status["quarantine"])
        check(any("fuse" in q["what"] + q["why"] for q in status["quarantine"]),
              f"no quarantine is shown: {status['quarantine']}")
        check("uarantine" in bench.ok(daemon, "status").out, "status does not say it")
        # New targets are attached while it is mute.
        late = burner(bench)
        time.sleep(0.7)
        healthy(bench, daemon, late)
        daemon.process.send_signal(signal.SIGTERM)
        lib.wait_until(lambda: not daemon.alive(), 20, "the daemon's end with a mute file system")
        check_equal(daemon.process.returncode, 0, "the daemon's exit status")
    finally:
        server.kill()
        server.wait()
        for child in bench.children:
            child.kill()
            child.wait()
        for mount in mounts:
            subprocess.run(["umount", "-l", mount], capture_output=True)


RELUCTANT = """
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	/* Whoever reads the second page of the command line waits for an answer of ours. */
	uintptr_t page = ((uintptr_t)argv[1] + 4095) & ~4095UL;
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register all = { .range = { page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	time_t end = time(0) + 60;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &all) ||
		madvise((void *)page, 4096, MADV_DONTNEED)) {
		perror("userfaultfd");
		return 77;
	}
	puts("mute");
	fflush(stdout);
	while (time(0) < end) {
		static volatile unsigned long sink;
		for (int i = 0; i < 1000000; i++)
			sink += i;
	}
	return argc;
}
"""


def test_a_command_line_that_is_never_read(bench):
    """Processes that hold up whoever reads their memory: others are found, attached, listed and dumped."""
    program = compile_c(bench, "reluctant", RELUCTANT, "-O1", "-fno-omit-frame-pointer")
    daemon = bench.daemon()
    other = burner(bench)
    mute = []
    for _ in range(3):
        mute.append(bench.start(program, "x" * 65536, stdout=subprocess.PIPE, text=True))
        if mute[-1].stdout.readline() != "mute\n":
            raise lib.Skip("no userfaultfd here")
    bench.ok(daemon, "attach", "--all", "-F", 499, timeout=60)
    time.sleep(1.5)
    healthy(bench, daemon, other)
    listed = {p["pid"] for p in json.loads(bench.ok(daemon, "ps", "--all", "--json", timeout=60).out)["processes"]}
    check({other.pid, os.getpid()} <= listed, "others are not listed")
    late = burner(bench)
    bench.ok(daemon, "attach", "--pid", late.pid, "-F", 997, timeout=60)
    time.sleep(0.7)
    healthy(bench, daemon, late)
    pids = {s[2]["pid"] for s in dump(bench, daemon, "--all")}
    check({str(c.pid) for c in [other, late, *mute]} <= pids, "samples of one are missing")
    print("   ", json.loads(bench.ok(daemon, "status", "--json").out)["state"])


# ---- perf maps ----

JITTER = """
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	/* mov %rdi,%rcx; dec %rcx; jnz; ret */
	static const unsigned char code[] = { 0x48, 0x89, 0xf9, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3 };
	unsigned char *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char c;
	memcpy(p, code, sizeof(code));
	printf("%lx\\n", (unsigned long)p);
	fflush(stdout);
	(void)!read(0, &c, 1);
	if (argc > 1) { /* its own map, under the number it has for itself */
		char path[64];
		snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
		FILE *f = fopen(path, "w");
		fprintf(f, "%lx 1000 %s\\n", (unsigned long)p, argv[1]);
		fclose(f);
	}
	time_t end = time(0) + 60;
	while (time(0) < end)
		((void (*)(uint64_t))p)(1000000);
}
"""


def test_perf_maps_that_are_refused(bench):
    """A map that is the target's own and regular names its code; others are not read, whatever they are."""
    if os.uname().machine != "x86_64":
        raise lib.Skip("the code is for x86-64")
    program = compile_c(bench, "jitter", JITTER, "-O1")
    daemon = bench.daemon()
    bench.ok(daemon, "attach", "--comm", "jitter", "-F", 499)
    line = "{at} 1000 jit_spin\n"

    def regular(path, text):
        with open(path, "w") as f:
            f.write(text)

    def link(path, text):
        regular(path + ".target", text)
        bench.cleanup.append(path + ".target")
        os.symlink(path + ".target", path)

    def foreign(path, text):
        regular(path, text)
        os.chown(path, NOBODY, NOBODY)

    def big(path, text):
        regular(path, text)
        os.truncate(path, 65 << 20)

    def fifo(path, text):
        os.mkfifo(path)

    def garbage(path, text):
        with open(path, "wb") as f:
            f.write(random.Random(3).randbytes(1 << 20))

    def escapes(path, text):
        regular(path, text.replace("jit_spin", "jit_\x1b[31mspin\x07"))

    cases = {f.__name__: f for f in (regular, link, foreign, big, fifo, garbage, escapes)}
    children = {}
    for name, make in cases.items():
        child = bench.start_with_input(program)
        at = child.stdout.readline().strip()
        path = f"/tmp/perf-{child.pid}.map"
        bench.cleanup.append(path)
        make(path, line.format(at=at))
        children[name] = child
    for child in children.values():
        child.stdin.write("x")
        child.stdin.close()
    time.sleep(3)
    for name, child in children.items():
        samples = dump(bench, daemon, "--pid", child.pid)
        jit = set(leaves_in(samples, "[jit]"))
        print(f"    {name}: {sorted(jit)}")
        if name == "regular":
            check_equal(jit, {"jit_spin"}, "a map of its own")
        elif name == "escapes":
            out = bench.ok(None, "report", bench.path("dump.pb.gz"), "--top", "--no-pager").out
            check("\x1b" not in out and "\x07" not in out, "an escape reaches the terminal")
        else:
            check("jit_spin" not in jit, f"{name} is used")
            check(any("jit" in n for n in jit), f"{name}: {jit}")
    check(daemon.alive(), "the daemon is gone")


def test_perf_map_in_another_namespace(bench):
    """/tmp/perf-PID.map of the target's own /tmp, by the number that the target has there."""
    if os.uname().machine != "x86_64":
        raise lib.Skip("the code is for x86-64")
    lib.need("unshare")
    program = compile_c(bench, "jitter", JITTER, "-O1")
    daemon = bench.daemon()
    bench.ok(daemon, "attach", "--comm", "jitter", "-F", 499)
    inner = bench.path("tmp")
    os.mkdir(inner)
    decoys = [f"/tmp/perf-{n}.map" for n in (1, 2)]
    child = bench.start("unshare", "-mpf", "--kill-child", "sh", "-c",
                        f"mount -t tmpfs none {inner} && cp {program} {inner} && mount --bind {inner} /tmp && "
                        "exec /tmp/jitter jit_inside", stdout=subprocess.DEVNULL)
    time.sleep(3)
    samples = [s for s in dump(bench, daemon, "--comm", "jitter")]
    leaves = {s[1][0] for s in samples}
    print("   ", leaves, {s[3][0] for s in samples})
    check("jit_inside" in leaves, f"not named: {leaves}")
    check(not any(os.path.exists(d) for d in decoys), "the map is in our own /tmp")


# ---- numbers and names ----

MAPPER = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
__attribute__((noinline)) void mapper_work(void)
{
	static volatile unsigned long sink;
	for (int i = 0; i < 1000000; i++)
		sink += i;
}
int main(int argc, char **argv)
{
	long n = atol(argv[1]);
	char *p = mmap(0, 2 * n * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	time_t end;
	if (p == MAP_FAILED)
		return 1;
	for (long i = 0; i < n; i++)
		if (mprotect(p + 2 * i * 4096, 4096, PROT_READ | PROT_EXEC))
			return 1;
	puts("mapped");
	fflush(stdout);
	end = time(0) + 60;
	while (time(0) < end)
		mapper_work();
	return argc;
}
"""


def test_20000_executable_mappings(bench):
    """Made before the attachment and while it is there: the process's own functions keep their names."""
    program = compile_c(bench, "mapper", MAPPER, "-O1", "-fno-omit-frame-pointer")
    daemon = bench.daemon()
    early = bench.start(program, "20000", stdout=subprocess.PIPE, text=True)
    check_equal(early.stdout.readline(), "mapped\n", "mappings")
    other = burner(bench)
    bench.ok(daemon, "attach", "--all", "-F", 499)
    late = bench.start(program, "20000", stdout=subprocess.PIPE, text=True)
    check_equal(late.stdout.readline(), "mapped\n", "mappings")
    time.sleep(2)
    for child in (early, late):
        samples = dump(bench, daemon, "--pid", child.pid)
        own = leaves_in(samples, program)
        print(f"    {count(samples)} samples, in its own file {own}")
        check(own.get("mapper_work", 0) > 0.5 * count(samples), f"mapper_work has {own}")
    healthy(bench, daemon, other)


RENAMER = """
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
int main(void)
{
	static const char *const names[] = { "\\x1b[31mred", "a\\nb\\tc", "\\"q\\\\uote", "\\x07\\x1b]0;t\\x07",
		"\\xff\\xfe\\x80", "%s%n%d", "", "\\r\\x7f\\x01" };
	time_t end = time(0) + 60;
	for (unsigned i = 0; time(0) < end; i++) {
		struct timespec pause = { .tv_nsec = 500000 };
		static volatile unsigned long sink;
		prctl(PR_SET_NAME, names[i % 8]);
		for (int k = 0; k < 200000; k++)
			sink += k;
		nanosleep(&pause, 0);
	}
}
"""


def raw_controls(text):
    return sorted({c for c in text if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0})


def test_names_full_of_control_characters(bench):
    """A process that is called something else a thousand times a second: no name gets raw to a terminal."""
    program = compile_c(bench, "renamer", RENAMER, "-O1")
    daemon = bench.daemon()
    child = bench.start(program)
    bench.ok(daemon, "attach", "--all", "-F", 997)
    time.sleep(3)
    path = bench.path("names.pb.gz")
    r = bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
    check_equal(raw_controls(r.err), [], "of dump")
    comms = {s[2].get("thread") for s in bench.profile(path).samples}
    check(len(comms) >= 6, f"names {comms}")
    check(not any("\ufffd" in c for c in comms if c), f"a string of the profile is not UTF-8: {comms}")
    outputs = {"ps": bench.ok(daemon, "ps"), "ps --all": bench.ok(daemon, "ps", "--all"),
               "status": bench.ok(daemon, "status"),
               "report": bench.ok(None, "report", path, "--top", "--no-pager"),
               "text": bench.ok(None, "convert", path, "-f", "text")}
    for name, r in outputs.items():
        check_equal(raw_controls(r.out + r.err), [], f"control characters of {name}")
    for words in (("ps", "--all", "--json"), ("status", "--json")):
        json.loads(bench.ok(daemon, *words).out)
    whole = bench.ok(None, "convert", path, "-f", "json").out
    check_equal(raw_controls(whole), [], "control characters of json")
    labels = {l["value"] for s in json.loads(whole)["samples"] for l in s["labels"] if l["key"] == "thread"}
    check(any("\x1b[31mred" in str(v) or "[31mred" in str(v) for v in labels), f"{labels}")
    folded = bench.ok(None, "convert", path, "-f", "folded").out
    check_equal(raw_controls(folded), [], "control characters of folded")
    # A name with one as an argument: refused, and shown harmlessly.
    r = bench.profctl(daemon, "attach", "--comm", "\x1b[31m*")
    r.one_line(2, "--comm")
    check_equal(raw_controls(r.err), [], "of the error")


sys.exit(lib.main(globals()))
