#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong: one clear line, the documented exit code, the daemon alive, nothing lost, nothing left
behind."""
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import lib
import wire_client
from lib import check, check_equal

NOBODY = 65534


def unused_pid():
    with open("/proc/sys/kernel/pid_max") as f:
        pid = int(f.read()) - 1
    while os.path.exists(f"/proc/{pid}"):
        pid -= 1
    return pid


def still_works(bench, daemon):
    check(daemon.alive(), "the daemon is gone")
    bench.ok(daemon, "status")


def test_wrong_pid(bench):
    daemon = bench.daemon()
    pid = unused_pid()
    for words in (("attach", "--pid", pid), ("dump", "--pid", pid, "--seconds", "1"),
                  ("record", "--pid", pid, "-d", "1", "-o", bench.path("x.pb.gz"))):
        code = 125 if words[0] == "record" else 4
        r = bench.profctl(daemon, *words)
        check(r.code in (4, code), f"{words}: exit {r.code}")
        check("no process" in r.err and str(pid) in r.err, r.err)
    check(not os.path.exists(bench.path("x.pb.gz")), "an empty profile is left behind")
    still_works(bench, daemon)


def test_words_and_numbers(bench):
    daemon = bench.daemon()
    me = os.getpid()
    for words, said in ((("atach",), "attach"), (("attach", "--pid", "0"), "0"),
                        (("attach", "--pid", "-5"), "-5"), (("attach", "--pid", "12x"), "12x"),
                        (("attach", "--pid", me, "-F", "0"), "0"),
                        (("attach", "--pid", me, "-F", "1000000000"), "1000000000"),
                        (("attach", "--pid", me, "--type", "cpuu"), "cpu"),
                        (("attach", "--pid", me, "--event", "no-such-event"), "no-such-event"),
                        (("attach", "--pid", me, "--unwind", "magic"), "magic"),
                        (("attach",), "target"), (("dump", "--sinse", "5m"), "since"),
                        (("dump", "--since", "yesterdayish"), "yesterdayish"),
                        (("dump", "--seconds", "2", "--since", "5m"), "since"),
                        (("report",), ""), (("dump", "--type", "heap"), "heap")):
        r = bench.profctl(daemon, *words)
        r.one_line(7 if "no-such-event" in map(str, words) and r.code == 7 else 2, said)
    still_works(bench, daemon)


def test_no_daemon(bench):
    for words in (("ps",), ("status",), ("dump",), ("attach", "--pid", os.getpid()),
                  ("detach", "--pid", os.getpid())):
        bench.profctl(None, *words).one_line(5, "nobody.sock")
    r = bench.profctl(None, "record", "-o", "/dev/null", "--", "true", uid=NOBODY)
    check_equal(r.code, 125, r.err)


def test_a_foreign_process_as_an_ordinary_user(bench):
    daemon = bench.daemon()
    os.chmod(bench.dir, 0o755)
    child = bench.start(bench.workload("short_lived"), "20", stdout=subprocess.DEVNULL)
    for words in (("attach", "--pid", child.pid), ("attach", "--all"),
                  ("attach", "--comm", "short_lived"),
                  ("dump", "--pid", child.pid, "--seconds", "1", "-o", "/dev/null")):
        bench.profctl(daemon, *words, uid=NOBODY).one_line(6, "denied")
    bench.ok(daemon, "attach", "--pid", child.pid)
    time.sleep(1.2)
    r = bench.profctl(daemon, "dump", "--pid", child.pid, "-o", "/dev/null", uid=NOBODY)
    check_equal(r.code, 8, f"somebody else's samples: {r.err}")
    r = bench.profctl(daemon, "detach", "--pid", child.pid, uid=NOBODY)
    check(r.code in (4, 6), f"detached somebody else's: {r.code}")
    check(str(child.pid) in bench.ok(daemon, "ps").out, "root's attachment is gone")
    still_works(bench, daemon)


def test_an_ordinary_user_profiles_its_own(bench):
    daemon = bench.daemon()
    os.chmod(bench.dir, 0o755)
    os.mkdir(bench.path("home"))
    os.chown(bench.path("home"), NOBODY, NOBODY)
    path = bench.path("home/p.pb.gz")
    bench.ok(daemon, "record", "-F", 499, "-o", path, "--", bench.workload("short_lived"), "1", uid=NOBODY)
    names = {n for s in bench.profile(path).samples for n in s[1]}
    check("short_work" in names, f"{names}")


def test_second_daemon_on_the_socket(bench):
    daemon = bench.daemon()
    r = subprocess.run([bench.profd, "run", "--socket", daemon.socket], capture_output=True, text=True)
    check_equal(r.returncode, 1, r.stderr)
    check(len(r.stderr.strip().splitlines()) == 1 and daemon.socket in r.stderr, r.stderr)
    still_works(bench, daemon)


def test_output_that_cannot_be_written(bench):
    daemon = bench.daemon()
    full = bench.path("full")
    os.mkdir(full)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "none", full], check=True)
    try:
        with open(os.path.join(full, "fill"), "wb") as f:
            f.write(b"x" * 4096)
        r = bench.profctl(daemon, "record", "-F", 999, "-o", os.path.join(full, "p.pb.gz"), "--",
                          bench.workload("short_lived"), "0.5")
        check_equal(r.code, 125, r.err)
        check("p.pb.gz" in r.err and "No space" in r.err, r.err)
        check_equal(os.listdir(full), ["fill"], "left behind on the full disk")
    finally:
        subprocess.run(["umount", full], check=True)
    r = bench.profctl(daemon, "record", "-F", 999, "-o", "/proc/p.pb.gz", "--",
                      bench.workload("short_lived"), "0.5")
    check_equal(r.code, 125, r.err)
    still_works(bench, daemon)


def test_exit_codes_of_record(bench):
    daemon = bench.daemon()
    out = bench.path("p.pb.gz")
    for words, wanted in ((("sh", "-c", "exit 7"), 7), (("sh", "-c", "kill -9 $$"), 128 + 9),
                          (("/nonexistent/program",), 127), ((bench.dir,), 126)):
        r = bench.profctl(daemon, "record", "-F", 999, "-o", out, "--", *words)
        check_equal(r.code, wanted, f"record -- {words}: {r.err}")


def interrupted(bench, daemon, words, after, number):
    child = subprocess.Popen([bench.profctl_path, *map(str, words)], env=bench.env(daemon),
                             cwd=bench.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    time.sleep(after)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    return child.returncode, out, err


def test_interrupt_writes_what_there_is(bench):
    daemon = bench.daemon()
    burner = bench.start(bench.workload("short_lived"), "60", stdout=subprocess.DEVNULL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        path = bench.path(f"{number}.pb.gz")
        code, out, err = interrupted(bench, daemon, ("record", "-F", 499, "--pid", burner.pid, "-o", path),
                                     1.5, number)
        check_equal(code, 0, f"{number}: {err}")
        names = {n for s in bench.profile(path).samples for n in s[1]}
        check("short_work" in names, f"{names}")
    check("No attachment" in bench.ok(daemon, "ps").out or
          str(burner.pid) not in bench.ok(daemon, "ps").out, "an attachment is left behind")


def test_interrupt_at_any_moment(bench):
    """Whatever the moment: the client ends, the daemon lives, no attachment stays."""
    daemon = bench.daemon()
    burner = bench.start(bench.workload("short_lived"), "120", stdout=subprocess.DEVNULL)
    for i in range(24):
        words = ("dump", "--pid", burner.pid, "--seconds", "0.3", "-o", bench.path("x.pb.gz")) if i % 2 \
            else ("record", "--pid", burner.pid, "-d", "0.3", "-o", bench.path("x.pb.gz"))
        code, out, err = interrupted(bench, daemon, words, 0.02 * i,
                                     (signal.SIGINT, signal.SIGHUP, signal.SIGKILL)[i % 3])
        check(code in (0, 8, 125, 1, -9, -2, -1), f"exit {code}: {err}")
    left = [n for n in os.listdir(bench.dir) if n.startswith(".") or "tmp" in n]
    check_equal(left, [], "left behind")
    lib.wait_until(lambda: str(burner.pid) not in bench.ok(daemon, "ps").out, 5, "detaching")
    still_works(bench, daemon)


def test_private_daemon_leaves_nothing(bench):
    """record as root without a daemon: with its end, also by SIGKILL, there is no process and no socket."""
    def daemons():
        out = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if exe.startswith(bench.profd) and int(pid) not in [d.process.pid for d in bench.daemons]:
                out.append(int(pid))
        return out
    path = bench.path("p.pb.gz")
    r = bench.ok(None, "record", "-F", 499, "-o", path, "--", bench.workload("short_lived"), "0.5")
    check(os.path.getsize(path) > 100, "no profile")
    lib.wait_until(lambda: not daemons(), 5, "the private daemon's end")
    child = subprocess.Popen([bench.profctl_path, "record", "-o", path, "--", "sleep", "5"],
                             env=bench.env(None), stderr=subprocess.DEVNULL)
    lib.wait_until(daemons, 10, "the private daemon's start")
    time.sleep(0.5)
    child.kill()
    child.wait()
    lib.wait_until(lambda: not daemons(), 10, "the private daemon's end after SIGKILL")


def test_attach_becomes_the_daemon(bench):
    burner = bench.start(bench.workload("short_lived"), "30", stdout=subprocess.DEVNULL)
    where = bench.path("own.sock")
    front = subprocess.Popen([bench.profd, "attach", "--pid", str(burner.pid), "-F", "499",
                              "--socket", where], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, cwd=bench.dir)
    env = dict(os.environ, PROFD_SOCKET=where)

    def attached():
        ps = subprocess.run([bench.profctl_path, "ps"], env=env, capture_output=True, text=True)
        return str(burner.pid) in ps.stdout
    lib.wait_until(attached, 30, "attaching")
    time.sleep(1.5)
    path = bench.path("p.pb.gz")
    r = subprocess.run([bench.profctl_path, "dump", "--type", "cpu", "-o", path], env=env,
                       capture_output=True, text=True)
    check_equal(r.returncode, 0, r.stderr)
    names = {n for s in bench.profile(path).samples for n in s[1]}
    check("short_work" in names, f"{names}")
    front.send_signal(signal.SIGINT)
    out, err = front.communicate(timeout=20)
    check_equal(front.returncode, 0, err)
    check(not os.path.exists(where), "the socket is left behind")
    # with -d: waits, writes, ends
    r = subprocess.run([bench.profd, "attach", "--pid", str(burner.pid), "-F", "499", "-d", "1",
                        "-o", bench.path("d.pb.gz"), "--socket", where],
                       capture_output=True, text=True, timeout=60)
    check_equal(r.returncode, 0, r.stderr)
    names = {n for s in bench.profile(bench.path("d.pb.gz")).samples for n in s[1]}
    check("short_work" in names, f"{names}")
    r = subprocess.run([bench.profd, "attach", "--pid", str(unused_pid()), "--socket", where],
                       capture_output=True, text=True, timeout=60)
    check_equal(r.returncode, 4, r.stderr)
    check_equal(len(r.stderr.strip().splitlines()), 1, r.stderr)


def test_nothing_collected(bench):
    daemon = bench.daemon()
    bench.profctl(daemon, "dump", "-o", bench.path("x.pb.gz")).one_line(8, "attach")
    check(not os.path.exists(bench.path("x.pb.gz")), "an empty profile is left behind")


def detach_meanwhile(daemon, target):
    """The answers to an attachment and to its detachment, sent one after the other."""
    with wire_client.Client(daemon.socket) as client:
        attach = client.send("attach", target)
        detach = client.send("detach", target)
        answers = {}
        while len(answers) < 2:
            request, kind, body = client.receive()
            answers[request] = kind, body
    return answers[attach], answers[detach]


def test_detached_while_it_is_being_attached(bench):
    daemon = bench.daemon()
    for paths in (["/nonexistent/program"], ["/proc/self/exe", "/nonexistent/program"]):
        target = wire_client.chunk(1, wire_client.target(exes=paths))
        # The helper that looks for the program is slower than both messages, but when it is not.
        for _ in range(50):
            attach, detach = detach_meanwhile(daemon, target)
            check_equal(attach[0], "error", "the answer to attach")
            if detach[0] == "detach":
                break
        check_equal(detach[0], "detach", "the answer to detach, every time")
        check("detached meanwhile" in attach[1]["text"], attach[1]["text"])
    still_works(bench, daemon)


def test_the_end_comes_with_requests_open(bench):
    attach = wire_client.chunk(1, wire_client.target(everything=True))
    dump = wire_client.chunk(1, "cpu") + wire_client.number(5, 10 ** 9)
    for i in range(8):
        daemon = bench.daemon()
        with wire_client.Client(daemon.socket) as client:
            client.send("attach", attach) if i % 2 else client.send("dump", dump)
            time.sleep(0.01 * i)
            check_equal(daemon.close(), 0, "the daemon's exit code")


def test_garbage_on_the_socket(bench):
    daemon = bench.daemon()
    for payload in (b"\0\0\0\0", b"\xff\xff\xff\xff", struct.pack("<I", 5) + b"\xff" * 5,
                    os.urandom(4096), struct.pack("<I", 1 << 20), b""):
        s = socket.socket(socket.AF_UNIX)
        s.connect(daemon.socket)
        s.sendall(payload)
        s.close()
    many = []
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.connect(daemon.socket)
        many.append(s)
    still_works(bench, daemon)
    for s in many:
        s.close()


def test_no_btf_and_no_permission(bench):
    lib.need("unshare", "setpriv")
    # another name space in which BTF is hidden
    r = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/kernel/btf && exec "
                        f"{bench.profd} run --private --socket {bench.path('b.sock')}"],
                       capture_output=True, text=True, timeout=30)
    check_equal(r.returncode, 7, r.stderr)
    check("BTF" in r.stderr and len(r.stderr.strip().splitlines()) == 1, r.stderr)
    os.chmod(bench.dir, 0o777)
    r = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
                        bench.profd, "run", "--private", "--socket", bench.path("c.sock")],
                       capture_output=True, text=True, timeout=30)
    check_equal(r.returncode, 6, r.stderr)
    check_equal(len(r.stderr.strip().splitlines()), 1, r.stderr)


def test_go_test_exec_and_toolexec(bench):
    lib.need("go")
    daemon = bench.daemon()
    folder = bench.path("gopkg")
    os.mkdir(folder)
    with open(os.path.join(folder, "go.mod"), "w") as f:
        f.write("module example.org/x\n\ngo 1.19\n")
    with open(os.path.join(folder, "x.go"), "w") as f:
        f.write("package x\n\nfunc Sum(n int) (s int) {\n\tfor i := 0; i < n; i++ {\n\t\ts += i * i\n\t}"
                "\n\treturn\n}\n")
    with open(os.path.join(folder, "x_test.go"), "w") as f:
        f.write("package x\n\nimport \"testing\"\n\nvar sink int\n\nfunc BenchmarkSum(b *testing.B) {\n"
                "\tfor i := 0; i < b.N; i++ {\n\t\tsink += Sum(10000)\n\t}\n}\n")
    env = dict(bench.env(daemon), GOFLAGS="-mod=mod", GOCACHE=bench.path("cache"), GOPROXY="off",
               HOME=bench.dir)
    out = bench.path("go-%p.pb.gz")
    r = subprocess.run(["go", "test", "-bench", ".", "-exec",
                        f"{bench.profctl_path} record -F 499 -o {out} --"],
                       cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    check_equal(r.returncode, 0, r.stdout + r.stderr)
    check("BenchmarkSum" in r.stdout and "PASS" in r.stdout, r.stdout)
    profiles = [p for p in os.listdir(bench.dir) if p.startswith("go-")]
    check_equal(len(profiles), 1, "profiles of one test binary")
    names = {n for s in bench.profile(bench.path(profiles[0])).samples for n in s[1]}
    check(any("BenchmarkSum" in n for n in names), f"{sorted(names)[:30]}")
    tool = bench.path("tool-%p.pb.gz")
    r = subprocess.run(["go", "build", "-a", "-toolexec",
                        f"{bench.profctl_path} record -F 199 -o {tool} --", "./..."],
                       cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    check_equal(r.returncode, 0, r.stdout + r.stderr)


sys.exit(lib.main(globals()))
