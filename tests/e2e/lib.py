# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a daemon of their own, the client, workloads, profiles, bounds.

A test file calls lib.main(globals()): each function test_* runs with a fresh Bench. What it prints is for
the person who reads a failure.
"""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

from pprofile import Profile

# Comparisons of the whole suite; all of them together raise a false alarm once in a million runs.
COMPARISONS = 1000
Z = statistics.NormalDist().inv_cdf(1 - 1e-6 / 2 / COMPARISONS)


class Skip(Exception):
    """This machine cannot run the test; where the kernel is required, that is a failure."""


class Absent(Skip):
    """A language that config/packages does not install: tested where somebody has it."""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"no {program}")


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def check_equal(seen, wanted, text):
    check(seen == wanted, f"{text}: {seen!r}, not {wanted!r}")


def check_share(what, hits, n, true, clock_error=0.0):
    """hits of n samples against a true share, by the binomial's bound at Z. clock_error: how far the
    workload's own measurement of the truth may be off, as it states itself."""
    check(n > 0, f"{what}: no samples")
    bound = Z * max(true * (1 - true), 1 / n) ** 0.5 / n ** 0.5 + clock_error
    print(f"    {what}: {hits}/{n} = {hits / n:.2%}, true {true:.2%} +- {bound:.2%}")
    check(abs(hits / n - true) <= bound, f"{what}: {hits / n:.2%}, true {true:.2%} +- {bound:.2%}")


def check_at_least(what, hits, n, least):
    """hits of n samples against the least true share: fewer by three standard deviations are too few. What
    is right is far above, so that the bound needs no room for the comparisons of the whole suite."""
    check(n > 50, f"{what}: {n} samples only")
    bound = n * (1 - least) + 3 * (n * least * (1 - least)) ** 0.5
    check(n - hits <= bound, f"{what}: {n - hits} of {n} are not, more than {bound:.1f} (at least {least:.1%})")


class Daemon:
    """profd on a socket of its own. Ends with close(); its standard error is in `log`."""

    def __init__(self, bench, *args, private=True, wrap=(), socket=None):
        """wrap: words in front of profd's, as `unshare -p`; socket: instead of a new one."""
        self.socket = socket or os.path.join(bench.dir, f"profd-{len(bench.daemons)}.sock")
        self.log_path = os.path.join(bench.dir, f"profd-{len(bench.daemons)}.log")
        reader, writer = os.pipe()
        env = dict(os.environ, PROFD_READY_FD=str(writer))
        words = [*wrap, bench.profd, "run", "--socket", self.socket, *args]
        if private:
            words.append("--private")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(words, env=env, pass_fds=[writer], stderr=log,
                                            stdin=subprocess.DEVNULL)
        os.close(writer)
        self.ready = os.read(reader, 1) != b""
        os.close(reader)
        bench.daemons.append(self)

    @property
    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process.poll() is None

    def close(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        for line in self.log.splitlines():
            print("    profd:", line)
        check("Sanitizer" not in self.log, "the sanitizer complained")
        check("runtime error" not in self.log, "the sanitizer complained")
        return code


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def one_line(self, code, *words):
        """A failure as it should be: this exit code, one line on stderr, with these words."""
        check_equal(self.code, code, f"exit code ({self.err.strip()})")
        lines = self.err.strip().splitlines()
        check(len(lines) == 1, f"{len(lines)} lines of error: {self.err}")
        for word in words:
            check(word in lines[0], f"'{word}' is not in: {lines[0]}")


class Bench:
    def __init__(self, build):
        self.build = build
        self.profd = os.path.join(build, "daemon", "profd")
        self.profctl_path = os.path.join(build, "client", "profctl")
        self.dir = tempfile.mkdtemp(prefix="profd-e2e-")
        self.daemons, self.children, self.cleanup = [], [], []

    def workload(self, name):
        path = os.path.join(self.build, "tests", "workloads", name)
        if not os.path.exists(path):
            raise Skip(f"no workload {name} in this build")
        return path

    def path(self, name):
        return os.path.join(self.dir, name)

    def daemon(self, *args, **kwargs):
        d = Daemon(self, *args, **kwargs)
        check(d.ready, "profd did not start: " + d.log)
        return d

    def start(self, *words, **kwargs):
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, **kwargs)
        self.children.append(child)
        return child

    def start_with_input(self, *words):
        """Like start(), with text pipes to and from it."""
        child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        return child

    def env(self, daemon):
        env = dict(os.environ, PROFD_DAEMON=self.profd)
        env.pop("PROFD_SOCKET", None)
        env["PROFD_SOCKET"] = daemon.socket if daemon else self.path("nobody.sock")
        return env

    def profctl(self, daemon, *words, uid=None, stdin=None, cwd=None, binary=False, timeout=120):
        def become():
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        done = subprocess.run([self.profctl_path, *map(str, words)], env=self.env(daemon),
                              stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=cwd or self.dir, timeout=timeout,
                              preexec_fn=become if uid else None)
        out = done.stdout if binary else done.stdout.decode(errors="replace")
        err = done.stderr.decode(errors="replace")
        check("Sanitizer" not in err and "runtime error" not in err, err)
        return Result(done.returncode, out, err)

    def ok(self, daemon, *words, **kwargs):
        r = self.profctl(daemon, *words, **kwargs)
        check(r.code == 0, f"profctl {' '.join(map(str, words))}: exit {r.code}: {r.err.strip()}")
        return r

    def profile(self, path):
        return Profile(path)

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for daemon in self.daemons:
            if daemon.alive() or daemon.process.returncode is None:
                daemon.close()
        for path in self.cleanup:
            if os.path.lexists(path):
                os.unlink(path)
        self.cleanup = []
        shutil.rmtree(self.dir, ignore_errors=True)


def truth_of(text):
    """The JSON lines of a workload: functions by name, and the last value of everything else."""
    functions, facts = {}, {}
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        fact = json.loads(line)
        if "function" in fact:
            functions[fact["function"]] = fact
        else:
            facts.update(fact)
    return functions, facts


def go_top(path, *flags):
    """go tool pprof -top as {name: (flat, cum)} in samples' last type, and what it said on stderr."""
    need("go")
    done = subprocess.run(["go", "tool", "pprof", "-top", "-cum", "-nodecount=100000", "-nodefraction=0",
                           "-unit=ns", *flags, path], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, HOME="/nonexistent", PPROF_TMPDIR=tempfile.gettempdir()))
    check(done.returncode == 0, f"go tool pprof: {done.stderr}")
    rows = {}
    for line in done.stdout.splitlines():
        m = re.match(r"\s*([\d.]+)(?:ns)?\s+[\d.]+%\s+[\d.]+%\s+([\d.]+)(?:ns)?\s+[\d.]+%\s+(.*)", line)
        if m:
            rows[m.group(3).replace(" (inline)", "")] = (float(m.group(1)), float(m.group(2)))
    return rows, done.stderr


def report_top(bench, path):
    """profctl report --top as {name: (flat, cum)} in percent."""
    out = bench.ok(None, "report", path, "--top", "--cum", "-n", 100000, "--no-pager").out
    rows = {}
    for line in out.splitlines():
        m = re.match(r"\s*(\S+)\s+([\d.]+)%\s+[\d.]+%\s+(\S+)\s+([\d.]+)%\s+(.*)", line)
        if m:
            rows[m.group(5).replace(" (inline)", "")] = (float(m.group(2)), float(m.group(4)))
    return rows


def share_not_run(bench, path):
    """What the profile itself says of ticks that were due and did not run, as a share of all."""
    text = bench.ok(None, "convert", path, "-f", "text").out
    m = re.search(r"triggered (\d+) = not_run (\d+)", text)
    return int(m.group(2)) / int(m.group(1)) if m else 0


def compile_c(bench, name, text, *flags, compiler="gcc", suffix=".c"):
    """Builds the program `name` of the bench's folder."""
    need(compiler)
    source = bench.path(name + suffix)
    with open(source, "w") as f:
        f.write(text)
    subprocess.run([compiler, "-o", bench.path(name), source, *flags], check=True)
    return bench.path(name)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def count(samples):
    return sum(s[0][0] for s in samples)


def dump(bench, daemon, *words, timeout=60):
    path = bench.path("dump.pb.gz")
    bench.ok(daemon, "dump", *words, "-o", path, timeout=timeout)
    return bench.profile(path).samples


def names_of(samples):
    return {n for s in samples for n in s[1]}


def leaves_in(samples, file):
    """Leaf names of the samples whose leaf is in that file."""
    out = {}
    for s in samples:
        if s[3] and s[3][0] == file:
            out[s[1][0]] = out.get(s[1][0], 0) + s[0][0]
    return out


def healthy(bench, daemon, child):
    """The daemon answers, and another target's dump is as it should be."""
    check(daemon.alive(), "the daemon is gone: " + daemon.log)
    bench.ok(daemon, "status", timeout=20)
    samples = dump(bench, daemon, "--pid", child.pid, timeout=20)
    work = count([s for s in samples if s[1][:1] == ["short_work"]])
    check(work > 0.9 * count(samples), f"short_work has {work} of {count(samples)} samples")


def burner(bench, seconds="60"):
    return bench.start(bench.workload("short_lived"), seconds, stdout=subprocess.DEVNULL)


def wait_until(condition, seconds=20, what="it"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def main(tests):
    build = sys.argv[1]
    wanted = sys.argv[2:]
    failed = ran = skipped = 0
    if os.geteuid() != 0:
        print("SKIP: not root")
        return 77
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        print("SKIP: this kernel has no BTF")
        return 77
    for name, test in list(tests.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        print(f"{name}", flush=True)
        bench = Bench(build)
        try:
            test(bench)
            bench.close()
            ran += 1
            print("  ok", flush=True)
        except Skip as reason:
            bench.close()
            skipped += not isinstance(reason, Absent)
            print(f"  SKIP: {reason}", flush=True)
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            try:
                bench.close()
            except Exception:
                traceback.print_exc(file=sys.stdout)
            print("  FAILED", flush=True)
    print(f"{ran} ok, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return 77 if skipped else 0
