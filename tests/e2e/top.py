#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profctl top on terminals as they are: tmux, resized, dumb, piped, suspended and killed."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
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

    def go_into(self, row):
        """Enter while that row is there: an interval may have no sample of it, so time is stopped."""
        for _ in range(20):
            self.wait(row, "a row")
            self.keys("Space")
            screen = self.wait("PAUSED", "pausing")
            found = re.search(row, screen, re.M)
            if found:
                self.keys("Enter")
            self.keys("Space")
            lib.wait_until(lambda: "PAUSED" not in self.screen(), 20, "going on")
            if found:
                return
        check(False, f"{row} does not stay")

    def end(self):
        self.tmux("kill-server")


def rows(screen):
    """Names, without the bars in front of them."""
    return [m.group(1).split("  ")[-1]
            for m in re.finditer(r"^ *\S+ +[\d.]+% +\S+ +[\d.]+% +(\S.*)$", screen, re.M)]


def test_keys_in_tmux(bench):
    child = lib.burner(bench)
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
        lib.wait_until(lambda: rows(t.screen()) == ["short_work"], 20, "filtering")
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
        t.keys("Space")
        t.wait("PAUSED", "pausing")
        time.sleep(1)
        paused = t.screen()
        time.sleep(2)
        check_equal(t.screen(), paused, "a paused screen")
        t.keys("Space")
        lib.wait_until(lambda: "PAUSED" not in t.screen(), 20, "going on")
        t.keys("q")
        screen = t.wait(r"^over 0$", "the end")
        check("before" in screen and "short_work" not in screen, f"the screen was not given back: {screen}")
        lib.wait_until(lambda: str(child.pid) not in bench.ok(daemon, "ps").out, 20, "detaching")
    finally:
        t.end()


def test_resized(bench):
    child = lib.burner(bench)
    t = Tmux(bench, bench.daemon(), "-d", "300ms", "--pid", child.pid, width=120, height=30)
    try:
        t.wait("short_work", "the function that works")
        for width, height in ((40, 8), (20, 5), (5, 2), (1, 1), (150, 45), (80, 24)):
            t.tmux("resize-window", "-x", str(width), "-y", str(height))
            time.sleep(0.7)
            lines = t.screen().splitlines()
            check(len(lines) <= height and all(len(line) <= width for line in lines), f"{width}x{height}: {lines}")
        screen = t.wait("short_work", "drawing after it was small")
        check_equal(sum("short_work" in line for line in screen.splitlines()), 1, f"times drawn: {screen}")
        t.keys("C-c")
        t.wait(r"^over 0$", "Ctrl-C")
    finally:
        t.end()


def test_piped_is_one_table(bench):
    child = lib.burner(bench)
    daemon = bench.daemon()
    r = bench.ok(daemon, "top", "--pid", child.pid, "-d", "1s")
    check("short_work" in rows(r.out), r.out)
    check("\x1b" not in r.out, "an escape in a pipe")
    check_equal(r.out.count("name"), 1, "tables")
    r = bench.ok(daemon, "top", child.pid, "-d", "1", "-n", "1", "--by", "process")
    check_equal(rows(r.out), [f"short_lived [{child.pid}]"], r.out)
    r = bench.ok(daemon, "top", child.pid, "-d", "1", "-n", "2", "--cum")
    check_equal(len(rows(r.out)), 2, r.out)
    sleeper = bench.start("sleep", "60")
    check("nothing was sampled" in bench.ok(daemon, "top", sleeper.pid, "-d", "1").out, "of one that sleeps")
    bench.profctl(daemon, "top", "--pid", "4194304").one_line(4, "no process")
    bench.profctl(daemon, "top", "--by", "thred").one_line(2, "thread")
    bench.profctl(None, "top").one_line(5, "no daemon")


def test_everything_as_who_may_see_little(bench):
    os.chmod(bench.dir, 0o755)
    daemon = bench.daemon()
    lib.burner(bench)
    out = bench.ok(daemon, "top", "-d", "1", "--by", "process", uid=65534).out
    check("short_lived" not in out, f"another user's process: {out}")
    out = bench.ok(daemon, "top", "-d", "1", "--by", "process").out
    check("short_lived" in out, out)


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

    def read(self, until, seconds=40):
        end = time.monotonic() + seconds
        while not until(self.out) and time.monotonic() < end:
            if select.select([self.main], [], [], 0.2)[0]:
                self.out += os.read(self.main, 65536).decode(errors="replace")
        check(until(self.out), f"not seen: {self.out[-2000:]}")

    def check_given_back(self):
        """What was set is as before, and the last sequences undo the first."""
        while select.select([self.main], [], [], 0.5)[0]:
            self.out += os.read(self.main, 65536).decode(errors="replace")
        check_equal(termios.tcgetattr(self.side), self.before, "modes of the terminal")
        for on, off in (("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h"), ("\x1b[?7l", "\x1b[?7h")):
            check(self.out.rfind(off) > self.out.rfind(on) >= 0, f"{off!r} is not behind {on!r}")


def test_a_terminal_is_given_back_on_every_end(bench):
    daemon = bench.daemon()
    child = lib.burner(bench)
    for how in ("q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV):
        t = Terminal(bench, daemon, "-d", "300ms", child.pid)
        t.read(lambda out: "short_work" in out)
        if isinstance(how, str):
            os.write(t.main, how.encode())
        else:
            t.process.send_signal(how)
        code = t.process.wait(30)
        if how not in (signal.SIGQUIT, signal.SIGSEGV):
            check_equal(code, 0, f"exit code after {how!r}")
        t.check_given_back()
    other = bench.daemon()
    t = Terminal(bench, other, "-d", "300ms", child.pid)
    t.read(lambda out: "short_work" in out)
    other.close()
    check_equal(t.process.wait(60), 5, "exit code without a daemon")
    t.check_given_back()
    check("daemon" in t.out[t.out.rfind("\x1b[?1049l"):], "why is not said on the terminal that is left")


def test_a_dumb_terminal_gets_tables(bench):
    daemon = bench.daemon()
    child = lib.burner(bench)
    t = Terminal(bench, daemon, "-d", "300ms", child.pid, term="dumb")
    t.read(lambda out: out.count("short_work") >= 3)
    check("\x1b" not in t.out, "an escape on a dumb terminal")
    t.process.send_signal(signal.SIGINT)
    check_equal(t.process.wait(30), 0, "exit code")


def test_costs_one_dump_an_interval(bench):
    """What is attached already is used; the daemon is asked once an interval and no more while it is paused."""
    daemon = bench.daemon()
    child = lib.burner(bench)
    bench.ok(daemon, "attach", "--pid", child.pid)
    before = bench.ok(daemon, "ps").out.count(f"--pid {child.pid}")
    t = Terminal(bench, daemon, "-d", "300ms", "--pid", child.pid)
    t.read(lambda out: "short_work" in out)
    check_equal(bench.ok(daemon, "ps").out.count(f"--pid {child.pid}"), before, "attachments")
    os.write(t.main, b"q")
    t.process.wait(30)
    check(f"--pid {child.pid}" in bench.ok(daemon, "ps").out, "the attachment that was there is gone")


def test_names_are_no_sequences(bench):
    child = bench.start("python3", "-c", "open('/proc/self/comm','w').write('e\\x1b]0;x\\x07\\x1b[2J')\nwhile True: pass")
    daemon = bench.daemon()
    t = Terminal(bench, daemon, "-d", "300ms", "--by", "process", child.pid)
    t.read(lambda out: f"[{child.pid}]" in out)
    os.write(t.main, b"q")
    t.process.wait(30)
    check("\x1b]0" not in t.out and "\x07" not in t.out, "a name reached the terminal as it is")


if __name__ == "__main__":
    sys.exit(lib.main(globals()))
