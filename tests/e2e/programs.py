# SPDX-License-Identifier: Apache-2.0
"""Programs at their own real work, for tests of whole stacks: start(bench, name) begins one, and says
which process to attach to; busy(pid) says which one of its descendants works now."""
import os
import pwd
import shutil
import subprocess
import tempfile
import time

import lib

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "workloads")
NO_FP = ("-fomit-frame-pointer", "-momit-leaf-frame-pointer", "-fno-optimize-sibling-calls", "-I", SOURCES)

SIGNALS = r"""
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
static volatile unsigned long sink;
__attribute__((noinline)) static void leaf(unsigned long n) { for (; n; n--) sink += n * n; }
__attribute__((noinline)) static void handled(int s) { char b[200]; leaf(20000 + s); snprintf(b, 200, "%lu", sink); }
static void on_signal(int s) { handled(s); sink++; }
__attribute__((noinline)) static void work(void) { char b[300]; leaf(3000); memset(b, (int)sink, 300); sink += b[7]; }
int main(void) {
    static char other[65536];
    stack_t alternate = { .ss_sp = other, .ss_size = sizeof(other) };
    struct sigaction a = { .sa_handler = on_signal }, b = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
    struct itimerval t = { { 0, 400 }, { 0, 400 } }, v = { { 0, 1100 }, { 0, 1100 } };
    sigaltstack(&alternate, 0);
    sigaction(SIGALRM, &a, 0);
    sigaction(SIGVTALRM, &b, 0);
    setitimer(ITIMER_REAL, &t, 0);
    setitimer(ITIMER_VIRTUAL, &v, 0);
    for (;;) work();
}
"""
PLT = r"""
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
static volatile unsigned long sink;
__attribute__((noinline)) static void calls(const char *s) {
    for (int i = 0; i < 1000; i++) sink += abs(i) + toupper(i & 127) + labs(i) + ffs(i) + (s[0] ? 1 : 2);
}
int main(int c, char **v) { (void)c; for (;;) calls(v[0]); }
"""
VDSO = r"""
#include <sys/time.h>
#include <time.h>
static volatile unsigned long sink;
__attribute__((noinline)) static void ask(void) {
    struct timespec t; struct timeval v;
    for (int i = 0; i < 1000; i++) { clock_gettime(CLOCK_MONOTONIC, &t); gettimeofday(&v, 0); sink += t.tv_nsec + time(0); }
}
int main(void) { for (;;) ask(); }
"""
EXCEPTIONS = r"""
#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
static volatile unsigned long sink;
struct Guard { std::string s = "a string that is too long to be kept inside"; ~Guard() { sink += s.size(); } };
__attribute__((noinline)) void deep(int n, int seed) {
    Guard g;
    if (n == 0) { if (seed % 3) throw std::runtime_error("x" + std::to_string(seed)); return; }
    deep(n - 1, seed);
    sink += n;
}
__attribute__((noinline)) void sorted(int seed) {
    std::vector<std::string> v;
    for (int i = 0; i < 300; i++) v.push_back(std::to_string((i * 7919 + seed) % 1000));
    std::sort(v.begin(), v.end(), [](const std::string &a, const std::string &b) { return b < a; });
    std::map<std::string, int> m;
    for (auto &s : v) m[s]++;
    sink += m.size();
}
int main() {
    for (int i = 0;; i++) {
        std::function<void(int)> f = i % 4 ? std::function<void(int)>([](int s) { deep(12, s); }) : sorted;
        try { f(i); } catch (const std::exception &e) { sink += e.what()[0]; }
    }
}
"""
TEMPLATES = r"""
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <unordered_map>
#include <vector>
template <int N> struct Many { static auto make(int x) { std::map<std::string, std::vector<int>> m;
  m[std::to_string(x + N)].push_back(N); std::regex r("a+b*" + std::to_string(N)); std::ostringstream o;
  for (auto &[k, v] : m) if (std::regex_match(k, r)) o << k << v.size(); return o.str() + Many<N - 1>::make(x); } };
template <> struct Many<0> { static std::string make(int) { return ""; } };
int main(int c, char **) { return (int)Many<40>::make(c).size(); }
"""
PYTHON = """
import json, re, collections
class Node:
    def __init__(self, n): self.kids = [Node(n - 1) for _ in range(2)] if n else []
    def total(self): return 1 + sum(k.total() for k in self.kids)
while True:
    s = sorted(range(2000), key=lambda x: -x)
    json.loads(json.dumps(s)); re.sub(r'(\\d+)', r'<\\1>', str(s)); Node(8).total()
    collections.Counter(str(s)).most_common(3)
"""
NODE = """
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
for (;;) {
  const rows = Array.from({ length: 3000 }, (_, i) => ({ id: i * 7919 % 3001, name: 'row' + i }));
  rows.sort((a, b) => a.id - b.id);
  JSON.parse(JSON.stringify(rows)).map(r => r.name.replace(/(\\d+)/g, '<$1>')).join(',');
  new Map(rows.map(r => [r.name, r])); fib(20);
}
"""
QUERY = ("select count(distinct md5(i::text || g::text)), sum(length(repeat('x', (i % 50)::int))) "
         "from generate_series(1, 3000) i, generate_series(1, 60) g where (i * g) % 7 <> 3")


def compiled(bench, name, text, *flags, compiler="gcc", suffix=".c"):
    path = lib.compile_c(bench, name, text, *NO_FP, "-w", *flags, compiler=compiler, suffix=suffix)
    return bench.start(path, "3600", stdout=subprocess.DEVNULL).pid


def source(name):
    with open(os.path.join(SOURCES, name)) as f:
        return f.read()


def run(bench, *words, **kwargs):
    lib.need(words[0])
    return bench.start(shutil.which(words[0]), *words[1:], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, **kwargs).pid


def repeat(bench, *words):
    """The same over and over, in new processes."""
    return run(bench, "sh", "-c", 'while :; do "$@"; done', "sh", *words)


def clang(bench):
    lib.need("clang++")
    path = bench.path("unit.cpp")
    with open(path, "w") as f:
        f.write(TEMPLATES)
    return repeat(bench, "clang++", "-std=c++17", "-O2", "-c", "-o", "/dev/null", path)


def git(bench):
    lib.need("git")
    folder = bench.path("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    with open(os.path.join(folder, "import"), "w") as f:
        for i in range(3000):
            text = "".join(f"line {j * j % (i + 1)} of {j}\n" for j in range(400))
            f.write(f"commit refs/heads/main\ncommitter a <a@b> {i} +0000\ndata 1\nx\n"
                    f"M 644 inline f{i % 50}\ndata {len(text)}\n{text}\n")
    with open(os.path.join(folder, "import")) as f:
        subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], stdin=f, check=True)
    return run(bench, "sh", "-c", f"cd {folder}; while :; do git log -p --stat --all -n 1500; "
               "git repack -adfq --threads=1; git fsck; done")


def redis(bench):
    lib.need("redis-server", "redis-benchmark")
    socket = bench.path("redis.sock")
    server = run(bench, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", bench.dir)
    lib.wait_until(lambda: os.path.exists(socket), what="redis")
    run(bench, "redis-benchmark", "-s", socket, "-l", "-q", "-P", "32", "-t",
        "set,get,lpush,lrange_300,zadd,sadd,hset,mset")
    return server


def postgres_folder():
    for name in sorted(os.listdir("/usr/lib/postgresql")) if os.path.isdir("/usr/lib/postgresql") else []:
        folder = f"/usr/lib/postgresql/{name}/bin"
        if os.path.exists(folder + "/initdb"):
            return folder
    raise lib.Absent("no postgres")


def postgres(bench):
    lib.need("psql")
    programs, user = postgres_folder(), pwd.getpwnam("postgres")
    folder = tempfile.mkdtemp(prefix="profd-e2e-pg-")
    os.chown(folder, user.pw_uid, user.pw_gid)
    be = {"user": user.pw_uid, "group": user.pw_gid, "cwd": folder, "stdout": subprocess.DEVNULL}
    subprocess.run([programs + "/initdb", "-D", folder + "/d", "-A", "trust", "-N"], check=True, **be)
    server = bench.start(programs + "/postgres", "-D", folder + "/d", "-k", folder, "-c", "listen_addresses=",
                         stderr=subprocess.DEVNULL, **be)
    lib.wait_until(lambda: os.path.exists(folder + "/.s.PGSQL.5432"), what="postgres")
    run(bench, "sh", "-c", f'while [ -d {folder} ]; do psql -h {folder} -U postgres -c "{QUERY}" || sleep 0.1; done')
    bench.folders = getattr(bench, "folders", []) + [folder]
    return server.pid


def go(bench, strip):
    path = bench.path("cpu_go" + ("_s" if strip else ""))
    shutil.copy(bench.workload("cpu_go"), path)
    if strip:
        lib.need("strip")
        subprocess.run(["strip", "-s", path], check=True)
    return run(bench, path, "3600")


def openssl(*what):
    """A second for each size of block: other code is behind each."""
    return lambda b: repeat(b, "openssl", "speed", "-seconds", "1", *what)


TARGETS = {
    "C -O2": lambda b: compiled(b, "c_o2", source("cpu_tree.c"), "-O2"),
    "C -O3": lambda b: compiled(b, "c_o3", source("cpu_tree.c"), "-O3"),
    "C, odd frames": lambda b: run(b, b.workload("frames_nofp"), "3600"),
    "C, qsort": lambda b: run(b, b.workload("through_libc_nofp"), "3600"),
    "C, 300 deep": lambda b: run(b, b.workload("deep_nofp"), "300", "3600"),
    "signal handlers": lambda b: compiled(b, "signals", SIGNALS, "-O2"),
    "PLT stubs": lambda b: compiled(b, "plt", PLT, "-O2", "-fno-builtin", "-fplt", "-fcf-protection",
                                    "-Wl,-z,lazy"),
    "PLT stubs, no IBT": lambda b: compiled(b, "plt0", PLT, "-O2", "-fno-builtin", "-fplt",
                                            "-fcf-protection=none", "-Wl,-z,lazy"),
    "vdso": lambda b: compiled(b, "vdso", VDSO, "-O2"),
    "-static": lambda b: compiled(b, "static", source("cpu_tree.c"), "-O2", "-static", "-no-pie", "-fno-pie"),
    "-static-pie": lambda b: compiled(b, "static_pie", source("cpu_tree.c"), "-O2", "-static-pie", "-fPIE"),
    "C++ exceptions": lambda b: compiled(b, "exceptions", EXCEPTIONS, "-O2", compiler="g++", suffix=".cpp"),
    "C++ hidden library": lambda b: run(b, b.workload("cpu_cpp"), "3600"),
    "Go": lambda b: go(b, False),
    "Go, stripped": lambda b: go(b, True),
    "python3": lambda b: run(b, "/usr/bin/python3", "-c", PYTHON),
    "node": lambda b: run(b, "node", "-e", NODE),
    "clang++": clang,
    "git": git,
    "redis": redis,
    "postgres": postgres,
    "openssl aes-128-gcm": openssl("-evp", "aes-128-gcm"),
    "openssl aes-256-cbc": openssl("-evp", "aes-256-cbc"),
    "openssl chacha20-poly1305": openssl("-evp", "chacha20-poly1305"),
    "openssl sha512": openssl("sha512"),
    "openssl rsa": openssl("rsa2048"),
    "openssl ecdsa, x25519": openssl("ecdsap256", "ecdhx25519"),
}


# Of these most is the start of programs that live for milliseconds.
SHORT = {
    "bash, env, ls, expr": lambda b: run(b, "bash", "-c",
                                         "while :; do env true; ls / >/dev/null; expr 1 + 1; done"),
}


def start(bench, name):
    return (TARGETS | SHORT)[name](bench)


def stop(bench):
    for child in reversed(bench.children):
        if child.poll() is None:
            for pid in descendants(child.pid):
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
        child.wait()
    bench.children = []
    for folder in getattr(bench, "folders", []):
        shutil.rmtree(folder, ignore_errors=True)
    bench.folders = []


def descendants(pid):
    """The process first."""
    found = [pid]
    for p in found:
        try:
            for tid in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{tid}/children") as f:
                    found += [int(word) for word in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def ticks(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            words = f.read().rsplit(")", 1)[1].split()
        return int(words[11]) if words[0] != "Z" else -1
    except (FileNotFoundError, ProcessLookupError):
        return -1


def busy(pid, seconds=0.06):
    before = {p: ticks(p) for p in descendants(pid)}
    if len(before) == 1:
        return pid
    time.sleep(seconds)
    return max(descendants(pid), key=lambda p: ticks(p) - before.get(p, 0))
