#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What frames are called: JIT code with and without a perf map, interpreters, stripped programs, the kernel,
the vdso, mangled names, inlined functions; and what is said where there is no name."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import lib
from lib import check, check_equal, compile_c, count

SECONDS = "1.5"


def record(bench, daemon, *command, flags=("-F", 997)):
    """A profile of the command, as the tests read it and as JSON, and what was said on stderr."""
    path = bench.path("p.pb.gz")
    r = bench.ok(daemon, "record", *flags, "-o", path, "--", *command)
    whole = json.loads(bench.ok(None, "convert", path, "-f", "json").out)
    return bench.profile(path), whole, r


def leaves(samples):
    out = {}
    for s in samples:
        if s[1]:
            out[s[1][0]] = out.get(s[1][0], 0) + s[0][0]
    return dict(sorted(out.items(), key=lambda x: -x[1]))


JS = """
function hotInner(n) { let s = 0; for (let i = 0; i < n; i++) s = (s * 31 + i) | 0; return s; }
function warmOuter(end) { let s = 0; while (Date.now() < end) s ^= hotInner(20000); return s; }
warmOuter(Date.now() + 1500);
"""


def test_node(bench):
    """With --perf-basic-prof its functions by name; without, grouped as [jit], with the switch."""
    lib.need("node")
    daemon = bench.daemon()
    with open(bench.path("hot.js"), "w") as f:
        f.write(JS)
    path = bench.path("named.pb.gz")
    child = bench.start("node", "--perf-basic-prof", "--no-turbo-inlining", "--interpreted-frames-native-stack",
                        bench.path("hot.js"), cwd=bench.dir)
    bench.cleanup.append(f"/tmp/perf-{child.pid}.map")
    bench.ok(daemon, "attach", "-F", 997, "--pid", child.pid)
    child.wait()
    r = bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
    samples = bench.profile(path).samples
    hot = count([s for s in samples if s[1] and "hotInner" in s[1][0]])
    print("   ", list(leaves(samples).items())[:5])
    check(hot > 0.5 * count(samples), f"hotInner has {hot} of {count(samples)} samples")
    check(any("warmOuter" in n for s in samples if "hotInner" in s[1][0] for n in s[1][1:]),
          "its caller is not named")
    check("--perf-basic-prof" not in r.err, f"a note for one that does it: {r.err}")
    profile, whole, r = record(bench, daemon, "node", bench.path("hot.js"))
    jit = [n for n in leaves(profile.samples) if "jit" in n.lower()]
    check_equal(jit, ["[jit]"], "leaves of code made at run time")
    check(not any("hotInner" in n for s in profile.samples for n in s[1]), "named without a map")
    check("node --perf-basic-prof" in r.err, f"no note of the switch: {r.err}")
    check(any("node --perf-basic-prof" in c for c in whole["comments"]), f"{whole['comments']}")


def test_python(bench):
    """Recognised by its program; the switch is said, and only where python runs."""
    daemon = bench.daemon()
    profile, whole, r = record(bench, daemon, "python3", "-c",
                               "import time\nend = time.monotonic() + 1\n"
                               "while time.monotonic() < end: pass")
    check("python3 -X perf" in r.err, f"no note: {r.err}")
    check_equal(len([c for c in whole["comments"] if "python3 -X perf" in c]), 1, "comments of it")
    names = {n for s in profile.samples for n in s[1]}
    check(any("PyEval" in n or "Py_" in n for n in names), f"no function of the interpreter: {names}")
    profile, whole, r = record(bench, daemon, bench.workload("short_lived"), "0.5")
    check("-X perf" not in r.err + str(whole["comments"]), "a note where no interpreter runs")


JAVA = """
public class Hot {
    static long spin(long n) { long s = 1; for (long i = 0; i < n; i++) s = s * 31 + i; return s; }
    public static void main(String[] a) {
        long s = 0;
        for (long end = System.currentTimeMillis() + 60000; System.currentTimeMillis() < end;) s += spin(100000);
        System.out.println(s);
    }
}
"""


def test_java(bench):
    """What the note says is what names its methods, also those seen before."""
    if not all(map(shutil.which, ("java", "javac", "jcmd"))):
        raise lib.Absent("no JDK")
    daemon = bench.daemon()
    with open(bench.path("Hot.java"), "w") as f:
        f.write(JAVA)
    subprocess.run(["javac", "-d", bench.dir, bench.path("Hot.java")], check=True)
    child = bench.start("java", "-XX:+PreserveFramePointer", "-cp", bench.dir, "Hot")
    path = bench.path("p.pb.gz")
    bench.ok(daemon, "attach", "-F", 499, "--pid", child.pid)
    time.sleep(2)
    r = bench.ok(daemon, "dump", "--pid", child.pid, "-o", path)
    check("[jit]" in leaves(bench.profile(path).samples), "no code made at run time")
    check("jcmd PID Compiler.perfmap" in r.err, f"no note: {r.err}")
    bench.cleanup.append(f"/tmp/perf-{child.pid}.map")
    subprocess.run(["jcmd", str(child.pid), "Compiler.perfmap"], check=True, stdout=subprocess.DEVNULL)

    def named():
        return bench.ok(daemon, "dump", "--pid", child.pid, "--seconds", "0.5", "-o", path) and [
            n for n in leaves(bench.profile(path).samples) if "Hot.spin" in n]
    lib.wait_until(named, 20, "a name for Hot.spin")
    print("   ", list(leaves(bench.profile(path).samples).items())[:3])


TWO = """
#include <stdint.h>
#include <time.h>
static volatile uint64_t sink;
__attribute__((noinline)) static void heavy(void) { for (int i = 0; i < 300000; i++) sink += i; }
__attribute__((noinline)) static void light(void) { for (int i = 0; i < 100000; i++) sink += i; }
int main(void)
{
	struct timespec t;
	time_t end = time(0) + 2;
	do { heavy(); light(); clock_gettime(CLOCK_MONOTONIC, &t); } while (time(0) < end);
}
"""


def functions_of(path):
    """{start: (size, name)} of a program's own functions, by nm."""
    lib.need("nm")
    out = subprocess.run(["nm", "-S", path], check=True, capture_output=True, text=True).stdout
    return {int(a, 16): (int(n, 16), name) for a, n, name in
            re.findall(r"^([0-9a-f]+) ([0-9a-f]+) [tT] (\S+)$", out, re.M)}


def test_stripped_program(bench):
    """Frames grouped by the start of their function, as module+0xstart, and what would name them."""
    lib.need("strip")
    daemon = bench.daemon()
    program = compile_c(bench, "twofold", TWO, "-O1", "-fno-omit-frame-pointer", "-Wl,--build-id")
    functions = functions_of(program)
    starts = {name: f"twofold+0x{start:x}" for start, (_, name) in functions.items()}
    subprocess.run(["strip", program], check=True)
    profile, whole, _ = record(bench, daemon, program)
    seen = leaves([s for s in profile.samples if s[3] and s[3][0].endswith("/twofold")])
    print("   ", seen)
    for name in ("heavy", "light"):
        check(starts[name] in seen, f"{name} at {starts[name]} is not in {seen}")
    n = seen[starts["heavy"]] + seen[starts["light"]]
    lib.check_share("heavy of both", seen[starts["heavy"]], n, 0.75, 0.02)
    check(all(f in starts.values() for f in seen), f"frames not grouped by function: {seen}")
    build_id = [m["build_id"] for m in whole["mappings"] if m["file"].endswith("/twofold")]
    text = bench.ok(None, "report", bench.path("p.pb.gz"), "--top", "--no-pager").out
    end = text[text.index("without a name"):]
    print("   ", end.strip().replace("\n", "\n    "))
    check(build_id and build_id[0] in end, f"the build-id {build_id} is not in: {end}")
    check("%" in end and "/twofold" in end and "-dbgsym" in end, end)


def test_kernel_and_vdso(bench):
    """System calls by the kernel's names, which kallsyms has; the vdso by its own."""
    daemon = bench.daemon()
    program = compile_c(bench, "caller", """
#include <time.h>
#include <unistd.h>
#include <fcntl.h>
int main(void)
{
	static char page[65536];
	struct timespec t;
	int fd = open("/dev/zero", O_RDONLY);
	time_t end = time(0) + 2;
	while (time(0) < end)
		for (int i = 0; i < 300; i++) {
			for (int k = 0; k < 200; k++) clock_gettime(CLOCK_MONOTONIC, &t);
			(void)!read(fd, page, sizeof(page));
		}
}
""", "-O1")
    profile, _, _ = record(bench, daemon, program)
    with open("/proc/kallsyms") as f:
        known = {line.split()[2] for line in f}
    kernel, vdso = [], []
    for s in profile.samples:
        for name, file in zip(s[1], s[3]):
            (kernel if file.startswith("[kernel") else vdso if file == "[vdso]" else []).append(name)
    print("   ", sorted(set(kernel))[:8], sorted(set(vdso)))
    check(kernel and vdso, f"{len(kernel)} kernel frames, {len(vdso)} vdso frames")
    unknown = [n for n in kernel if n not in known]
    check(len(unknown) <= 0.01 * len(kernel), f"not names of kallsyms: {sorted(set(unknown))[:10]}")
    check(any("read" in n for n in kernel), f"no read among {set(kernel)}")
    check(any("clock_gettime" in n for n in vdso), f"no clock_gettime among {set(vdso)}")


def system_names(whole):
    return {f["name"]: f["system_name"] for f in whole["functions"]}


def test_cpp(bench):
    daemon = bench.daemon()
    program = compile_c(bench, "mangled", """
#include <ctime>
#include <string>
namespace deep::inside {
template <typename T> struct Worker {
	volatile T sink = 0;
	__attribute__((noinline)) void spin(const std::string &s, T n)
	{
		for (T i = 0; i < n; i++)
			sink = sink + i + s.size();
	}
};
}
int main()
{
	deep::inside::Worker<unsigned long> w;
	auto end = time(nullptr) + 2;
	while (time(nullptr) < end)
		w.spin("abc", 1000000);
}
""", "-O1", "-g", "-fno-omit-frame-pointer", compiler="g++", suffix=".cpp")
    profile, whole, _ = record(bench, daemon, program)
    names = [n for n in leaves(profile.samples) if "spin" in n]
    check(names and names[0].startswith("deep::inside::Worker<unsigned long>::spin("), f"{names}")
    system = system_names(whole)[names[0]]
    check(system.startswith("_ZN4deep6inside6Worker"), f"system name {system}")


def test_rust(bench):
    rustc = shutil.which("rustc") or "/root/.cargo/bin/rustc"
    if not os.path.exists(rustc) or subprocess.run([rustc, "--version"], capture_output=True).returncode:
        raise lib.Absent("no rustc")
    daemon = bench.daemon()
    program = compile_c(bench, "rusty", """
use std::time::{Duration, Instant};
mod outer { pub struct Spinner { pub sink: u64 }
impl Spinner { #[inline(never)] pub fn whirl(&mut self, n: u64) {
    for i in 0..n { unsafe {
        let next = self.sink.wrapping_mul(31).wrapping_add(i);
        std::ptr::write_volatile(&mut self.sink, next);
    } } } } }
fn main() {
    let mut s = outer::Spinner { sink: 1 };
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end { s.whirl(100000); }
    println!("{}", s.sink);
}
""", "-O", "-g", "-C", "force-frame-pointers=yes", compiler=rustc, suffix=".rs")
    for which in ("-O", "stripped"):
        if which == "stripped":
            subprocess.run(["strip", "--strip-debug", program], check=True)
        profile, whole, _ = record(bench, daemon, program)
        names = sorted({n for s in profile.samples for n in s[1] if "whirl" in n})
        check(len(names) == 1 and re.fullmatch(r"(<?rusty::outer::Spinner>?)::whirl", names[0]), f"{names}")
        check(system_names(whole)[names[0]].startswith(("_ZN5rusty", "_RN")), f"{system_names(whole)[names[0]]}")


INLINED = """
#include <time.h>
static volatile unsigned long sink;
static inline __attribute__((always_inline)) unsigned long innermost(unsigned long x)
{
	for (int i = 0; i < 1000; i++)
		x = x * 6364136223846793005UL + sink;
	return x;
}
static inline __attribute__((always_inline)) unsigned long middle(unsigned long x)
{
	unsigned long y = innermost(x);
	for (int i = 0; i < 500; i++)
		y ^= y << 7 ^ sink;
	return y;
}
__attribute__((noinline)) unsigned long outermost(unsigned long x)
{
	return middle(x + 1) + 1;
}
int main(void)
{
	time_t end = time(0) + 2;
	unsigned long s = 0;
	while (time(0) < end)
		s += outermost(s);
	return s == 42;
}
"""


def own_locations(whole, suffix):
    """{address: [(function, file, line), ...]} of the locations in one file, innermost first."""
    out = {}
    for location in whole["locations"]:
        mapping = location["mapping"]  # None: an address that nothing was mapped at
        if mapping is None or not whole["mappings"][mapping]["file"].endswith(suffix):
            continue
        functions = [(whole["functions"][line["function"]], line["line"]) for line in location["lines"]]
        out[int(location["address"], 16)] = [(f["name"], os.path.basename(f["file"]), n) for f, n in functions]
    return out


def test_inlined_functions(bench):
    """Each address of the program with the functions, files and lines that addr2line -i gives."""
    lib.need("addr2line")
    daemon = bench.daemon()
    for flags in (("-O2", "-g"), ("-O2", "-gdwarf-4"), ("-O2", "-g", "-gz")):
        program = compile_c(bench, "inlined", INLINED, *flags, "-fno-omit-frame-pointer")
        path = bench.path("p.pb.gz")
        bench.ok(daemon, "record", "-F", 997, "-o", path, "--", program)
        whole = json.loads(bench.ok(None, "convert", path, "-f", "json").out)
        own = own_locations(whole, "/inlined")
        check(own, "no location in the program")
        print(f"    {' '.join(flags)}: {len(own)} addresses, "
              f"{sum(len(lines) > 1 for lines in own.values())} with inlined functions")
        check(any([n for n, _, _ in lines] == ["innermost", "middle", "outermost"] for lines in own.values()),
              f"no three functions at one address: {list(own.values())[:5]}")
        addresses = sorted(own)
        out = subprocess.run(["addr2line", "-a", "-i", "-f", "-e", program, *map(hex, addresses)],
                             capture_output=True, text=True, check=True).stdout
        truth, at = {}, None
        lines = iter(out.splitlines())
        for line in lines:
            if re.fullmatch(r"0x[0-9a-f]+", line):
                at = truth.setdefault(int(line, 16), [])
            else:
                place = re.sub(r" \(discriminator \d+\)", "", next(lines))
                file, number = place.rsplit(":", 1)
                # Without line tables, as _start of the C library: "??".
                at.append((line, os.path.basename(file).strip("?"), int(number) if number.isdigit() else 0))
        for address in addresses:
            check_equal(own[address], truth[address], f"at {address:#x} with {flags}")


sys.exit(lib.main(globals()))
