#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profctl top on terminals as they are: tmux, resized, dumb, piped, suspended and killed."""
import codecs
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import lib
from lib import check, check_equal


class Tmux:
    """One pane of a server of its own."""

    def __init__(self, bench, daemon, *words, width=100, height=20):
        lib.need("tmux")
        self.words = ["tmux", "-S", bench.path("tmux.sock")]
        self.env = dict(bench.env(daemon), LC_ALL="C.UTF-8", TERM="xterm-256color")
        command = " ".join([bench.profctl_path, "top", *map(str, words)])
        subprocess.run([*self.words, "-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                        f"echo before; {command}; echo over $?; exec cat"], env=self.env, check=True)

    def tmux(self, *words):
        return subprocess.run([*self.words, *words], env=self.env, capture_output=True, text=True).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def wait(self, pattern, what):
        """The screen once it shows the pattern."""
        found = lib.wait_until(lambda: (lambda s: s if re.search(pattern, s, re.M) else None)(self.screen()), 40,
                               f"{what} (/{pattern}/)")
        return found

    def pause(self):
        """The screen, which stays as it is from here on."""
        self.keys("Space")
        return self.wait("PAUSED", "pausing")

    def go_on(self):
        self.keys("Space")
        lib.wait_until(lambda: "PAUSED" not in self.screen(), 40, "going on")

    def go_into(self, row):
        """Enter while that row is there: an interval may have no sample of it, so time is stopped."""
        for _ in range(20):
            self.wait(row, "a row")
            found = re.search(row, self.pause(), re.M)
            if found:
                self.keys("Enter")
            self.go_on()
            if found:
                return
        check(False, f"{row} does not stay")

    def end(self):
        self.tmux("kill-server")


def rows(screen):
    """Names, without the bars in front of them."""
    return [m.group(1).split("  ")[-1]
            for m in re.finditer(r"^ *\S+ +[\d.]+% +\S+ +[\d.]+% +(\S.*)$", screen, re.M)]


def attached(bench, daemon, child):
    return re.search(rf"--pid {child.pid}\b", bench.ok(daemon, "ps").out)


def test_keys_in_tmux(bench):
    child = lib.burner(bench, "600")
    daemon = bench.daemon()
    t = Tmux(bench, daemon, "-d", "1s", "--pid", child.pid)
    try:
        screen = t.wait(r"% .*short_work$", "the function that works")
        check(re.search(r"[▁▂▃▄▅▆▇█]", screen), "no bars")
        check("before" not in screen, "not a screen of its own")
        t.keys("c")
        t.wait(r"flat.*CUM", "sorting by cum")
        t.keys("c")
        t.keys("/")
        t.keys("SHORT_w")
        t.wait("filter: SHORT_w", "typing a filter")
        t.keys("Enter")
        lib.wait_until(lambda: rows(t.screen()) == ["short_work"], 60, "filtering")
        t.go_into(r"% .*short_work$")
        t.wait("who calls it", "going into the function")
        t.keys("/", "Enter")
        t.wait(r"% .*main$", "the caller")
        t.keys("BSpace")
        t.wait(r"by function, ", "going back")
        t.keys("p")
        t.go_into(rf"% .*short_lived \[{child.pid}\]$")
        t.wait(rf"by function: short_lived \[{child.pid}\]", "going into the process")
        t.keys("t")
        t.wait(rf"short_lived \[{child.pid}\] of short_lived", "threads")
        paused = t.pause()
        time.sleep(3)
        check_equal(t.screen(), paused, "a paused screen")
        t.go_on()
        t.keys("q")
        screen = t.wait(r"^over 0$", "the end")
        check("before" in screen and "short_work" not in screen, f"the screen was not given back: {screen}")
        lib.wait_until(lambda: not attached(bench, daemon, child), 40, "detaching")
    finally:
        t.end()


def waiter(bench):
    """Waits for a mutex that its partner gives back, and for a time; each for milliseconds."""
    return bench.start(bench.workload("waits"), "600", bench.path("waits.log"), bench.path("scratch"), "path_mutex",
                       "path_nanosleep", stdout=subprocess.DEVNULL)


def threads_of(out):
    """How many at once, as the first line says."""
    return float(re.search(r"\(([\d.]+) threads\)", out).group(1))


def test_what_waits(bench):
    """Types of waiting, by function and state; elapsed time of all threads is that of the threads there are."""
    child = waiter(bench)
    daemon = bench.daemon()
    out = table(bench, daemon, "release_mutex", "--pid", child.pid, "--type", "mutex", "--cum")
    out = table(bench, daemon, "path_mutex", "--pid", child.pid, "--type", "block", "--cum")
    check("path_nanosleep" not in out, f"sleeping: {out}")
    out = table(bench, daemon, "sleep", "--pid", child.pid, "--type", "block", "--state", "sleep", "--by", "state")
    check_equal(rows(out), ["sleep"], out)
    n = len(os.listdir(f"/proc/{child.pid}/task"))

    def whole():
        out = bench.ok(daemon, "top", "-d", "2s", "--type", "wall", "--by", "state", child.pid).out
        print(f"    {out.splitlines()[0]}, {n} threads")
        return {"sleep", "mutex"} <= set(rows(out)) and abs(threads_of(out) / n - 1) < 0.05
    lib.wait_until(whole, 90, "wall time of all threads")
    out = table(bench, daemon, "[before attach]", child.pid, "--type", "threadcreate")
    check(f" {n} in " in out.splitlines()[0], out)
    bench.profctl(daemon, "top", "--type", "blok").one_line(2, "did you mean 'block'")
    bench.profctl(daemon, "top", "--state", "all").one_line(2, "--state is about waiting")


def test_states_in_tmux(bench):
    child = waiter(bench)
    t = Tmux(bench, bench.daemon(), "-d", "1s", "--type", "wall", "--cum", "--pid", child.pid)
    try:
        t.wait(r"% .*path_mutex$", "the function that waits")
        t.keys("w")
        t.wait("by state", "states")
        t.go_into(r"^ *\S+ +[\d.]+% +\S+ +[\d.]+% .*sleep$")
        t.wait(r"by function: [a-z-]+, ", "going into a state")
        t.keys("BSpace")
        t.wait("by state, ", "going back")
        t.keys("q")
        t.wait(r"^over 0$", "the end")
    finally:
        t.end()


def test_another_type_of_the_same_is_left_alone(bench):
    """Who has attached the target for one type looks at another."""
    child = waiter(bench)
    daemon = bench.daemon()
    bench.ok(daemon, "attach", "--pid", child.pid)
    before = bench.ok(daemon, "ps", "--json").out
    table(bench, daemon, "path_mutex", "--pid", child.pid, "--type", "block", "--cum")
    types = [a["types"] for a in json.loads(bench.ok(daemon, "ps", "--json").out)["attachments"]]
    check_equal(types, [a["types"] for a in json.loads(before)["attachments"]], "types that are attached")


def test_resized(bench):
    child = lib.burner(bench, "600")
    t = Tmux(bench, bench.daemon(), "-d", "300ms", "--pid", child.pid, width=120, height=30)
    try:
        t.wait("short_work", "the function that works")
        for width, height in ((40, 8), (20, 5), (5, 2), (1, 1), (150, 45), (80, 24)):
            t.tmux("resize-window", "-x", str(width), "-y", str(height))
            time.sleep(0.7)
            lines = t.screen().splitlines()
            check(len(lines) <= height and all(len(line) <= width for line in lines), f"{width}x{height}: {lines}")
        lib.wait_until(lambda: [r for r in rows(t.screen()) if "short_work" in r] == ["short_work"], 60,
                       "drawing after it was small")
        t.keys("C-c")
        t.wait(r"^over 0$", "Ctrl-C")
    finally:
        t.end()


def table(bench, daemon, name, *words):
    """The first that shows the name: a loaded machine may let a process wait for longer than an interval."""
    def look():
        out = bench.ok(daemon, "top", "-d", "1s", *words).out
        return out if name in out else None
    return lib.wait_until(look, 90, f"{name} in top {words}")


def test_piped_is_one_table(bench):
    child = lib.burner(bench, "600")
    daemon = bench.daemon()
    out = table(bench, daemon, "short_work", "--pid", child.pid)
    check("short_work" in rows(out), out)
    check("\x1b" not in out, "an escape in a pipe")
    check_equal(out.count("name"), 1, "tables")
    out = table(bench, daemon, "short_lived", child.pid, "-n", "1", "--by", "process")
    check_equal(rows(out), [f"short_lived [{child.pid}]"], out)
    out = table(bench, daemon, "main", child.pid, "-n", "2", "--cum")
    check_equal(len(rows(out)), 2, out)
    sleeper = bench.start("sleep", "600")

    def sleeps():
        with open(f"/proc/{sleeper.pid}/syscall") as f:
            return f.read().split()[0] == "230"  # clock_nanosleep
    lib.wait_until(sleeps, 60, "sleeping")
    check("nothing was sampled" in bench.ok(daemon, "top", sleeper.pid, "-d", "1").out, "of one that sleeps")
    bench.profctl(daemon, "top", "--pid", "4194304").one_line(4, "no process")
    bench.profctl(daemon, "top", "--by", "thred").one_line(2, "thread")
    bench.profctl(None, "top").one_line(5, "no daemon")


def test_everything_as_who_may_see_little(bench):
    os.chmod(bench.dir, 0o755)
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    theirs = bench.start("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                         bench.workload("short_lived"), "120", stdout=subprocess.DEVNULL)
    words = ("top", "-d", "1s", "--by", "process", "-n", "1000")

    def of_their_own():
        out = bench.ok(daemon, *words, uid=65534).out
        check(f"short_lived [{child.pid}]" not in out, f"another user's process: {out}")
        return f"short_lived [{theirs.pid}]" in out
    lib.wait_until(of_their_own, 90, "the user's own process")
    table(bench, daemon, f"short_lived [{child.pid}]", *words[3:])


def test_another_users_everything_is_not_everything(bench):
    """What a user attaches without a target is what that user may see: root's top does not rely on it."""
    os.chmod(bench.dir, 0o755)
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    bench.start("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", bench.profctl_path, "top", "-d",
                "600s", env=bench.env(daemon), stdout=subprocess.DEVNULL)
    lib.wait_until(lambda: "nobody" in bench.ok(daemon, "ps").out, 40, "the other's attachment")
    table(bench, daemon, f"short_lived [{child.pid}]", "--by", "process", "-n", "1000")


class Terminal:
    """profctl top on a pty, as the leader of a session."""

    def __init__(self, bench, daemon, *words, term="xterm"):
        self.main, side = pty.openpty()
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(side)
        self.side = side
        self.process = bench.start(bench.profctl_path, "top", *map(str, words), env=dict(bench.env(daemon), TERM=term),
                                   stdout=side, stderr=side, preexec_fn=lambda: os.dup2(side, 0),
                                   start_new_session=True)
        self.out = ""
        # A terminal takes what is written whether or not a test looks at it.
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            self.out += decoder.decode(os.read(self.main, 65536))

    def read(self, until, seconds=60):
        end = time.monotonic() + seconds
        while not until(self.out) and time.monotonic() < end:
            time.sleep(0.02)
        check(until(self.out), f"not seen: {self.out[-2000:]}")

    def end(self, how="q"):
        """The exit code after that key or signal."""
        if isinstance(how, str):
            os.write(self.main, how.encode())
        elif how:
            self.process.send_signal(how)
        return self.process.wait(60)

    def check_given_back(self):
        """What was set is as before, and the last sequences undo the first."""
        check_equal(termios.tcgetattr(self.side), self.before, "modes of the terminal")
        for on, off in (("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h"), ("\x1b[?7l", "\x1b[?7h")):
            self.read(lambda out, on=on, off=off: out.rfind(off) > out.rfind(on) >= 0)


def test_a_terminal_is_given_back_on_every_end(bench):
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    for how in ("q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
        t = Terminal(bench, daemon, "-d", "300ms", child.pid)
        t.read(lambda out: "short_work" in out)
        code = t.end(how)
        if how not in (signal.SIGQUIT, signal.SIGSEGV):
            check_equal(code, 0, f"exit code after {how!r}")
        t.check_given_back()
    other = bench.daemon()
    t = Terminal(bench, other, "-d", "300ms", child.pid)
    t.read(lambda out: "short_work" in out)
    other.close()
    check_equal(t.end(None), 5, "exit code without a daemon")
    t.check_given_back()
    # why is said on the terminal that is left
    t.read(lambda out: "daemon" in out[out.rfind("\x1b[?1049l"):])


def test_a_dumb_terminal_gets_tables(bench):
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    t = Terminal(bench, daemon, "-d", "300ms", child.pid, term="dumb")
    t.read(lambda out: out.count("short_work") >= 3)
    check("\x1b" not in t.out, "an escape on a dumb terminal")
    check_equal(t.end(signal.SIGINT), 0, "exit code")


def test_uses_what_is_attached(bench):
    """What is attached already is used, and stays. How often the daemon is asked: unit/client/test_live_feed."""
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    bench.ok(daemon, "attach", "--pid", child.pid)
    before = bench.ok(daemon, "ps").out.count(f"--pid {child.pid}")
    t = Terminal(bench, daemon, "-d", "300ms", "--pid", child.pid)
    t.read(lambda out: "short_work" in out)
    check_equal(bench.ok(daemon, "ps").out.count(f"--pid {child.pid}"), before, "attachments")
    t.end()
    check(attached(bench, daemon, child), "the attachment that was there is gone")


def test_goes_on_when_what_it_used_is_detached(bench):
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    bench.ok(daemon, "attach", "--pid", child.pid)
    t = Terminal(bench, daemon, "-d", "300ms", "--pid", child.pid)
    t.read(lambda out: "short_work" in out)
    bench.ok(daemon, "detach", "--pid", child.pid)
    lib.wait_until(lambda: attached(bench, daemon, child), 40, "attaching by itself")
    n = len(t.out)
    t.read(lambda out: out[n:].count("short_work") >= 2)
    t.end()
    lib.wait_until(lambda: not attached(bench, daemon, child), 40, "detaching its own")


def test_names_are_no_sequences(bench):
    child = bench.start("python3", "-c", "open('/proc/self/comm','w').write('e\\x1b]0;x\\x07\\x1b[2J')\nwhile True: pass")
    daemon = bench.daemon()
    t = Terminal(bench, daemon, "-d", "300ms", "--by", "process", child.pid)
    t.read(lambda out: f"[{child.pid}]" in out)
    t.end()
    check("\x1b]0" not in t.out and "\x07" not in t.out, "a name reached the terminal as it is")


if __name__ == "__main__":
    sys.exit(lib.main(globals()))
