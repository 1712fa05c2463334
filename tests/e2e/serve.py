#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profctl serve: what net/http/pprof serves, for any process, to nobody else; go tool pprof works with it."""
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import lib
from lib import check, check_equal

NOBODY = 65534

GO_SERVER = """package main
import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
)

//go:noinline
func spin(n int) int {
	for i := 0; i < 1000; i++ {
		n = n*31 + i
	}
	return n
}

func main() {
	go func() {
		for n := 0; ; n = spin(n) {
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	http.Serve(l, nil)
}
"""


STARTER = """#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *started(void *p)
{
	(void)p;
	for (;;)
		pause();
}
__attribute__((noinline)) void start_one(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, started, NULL))
		perror("pthread_create");
	__asm__ volatile("");
}
int main(void)
{
	while (getchar() == '\\n')
		start_one();
	return 0;
}
"""


class Server:
    def __init__(self, bench, daemon, *args, uid=None):
        words = [bench.profctl_path, "serve", *(args or ("--listen", "localhost:0"))]
        if uid is not None:
            words = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *words]
        self.process = bench.start(*words, env=bench.env(daemon), stderr=subprocess.PIPE, text=True)
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if line.startswith("serving "):
                break
        m = re.search(r"serving http://[^:/]*:(\d+)/", self.said)
        self.port = int(m.group(1)) if m else 0
        self.url = f"http://localhost:{self.port}"

    def get(self, path, method="GET", headers=None, body=None, timeout=60):
        c = http.client.HTTPConnection("localhost", self.port, timeout=timeout)
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, r.headers, data

    def end(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        rest = self.process.stderr.read()
        check("Sanitizer" not in rest and "runtime error" not in rest, rest)
        check_equal(code, 0, f"exit code after Ctrl-C ({rest})")


def samples_of(bench, server, url, enough):
    """Of the first profile that has enough: a loaded machine may let a process wait for all of its seconds."""
    path = bench.path("samples.pb.gz")

    def fetch():
        status, _, body = server.get(url)
        check_equal(status, 200, f"{url}: {body[:200]}")
        with open(path, "wb") as f:
            f.write(body)
        samples = bench.profile(path).samples
        return [samples] if enough(samples) else None
    return lib.wait_until(fetch, 90, f"enough samples by {url}")[0]


def works(samples):
    return "short_work" in lib.names_of(samples)


def essence(reply):
    """What pprof's clients look at."""
    status, headers, body = reply
    kept = {name: headers.get(name) for name in ("Content-Type", "Content-Disposition", "X-Go-Pprof",
                                                 "X-Content-Type-Options")}
    text = body if headers.get("X-Go-Pprof") or status != 200 else b""
    return status, kept, text


def test_same_as_net_http_pprof(bench):
    lib.need("go")
    source = bench.path("server.go")
    with open(source, "w") as f:
        f.write(GO_SERVER)
    env = dict(os.environ, GOCACHE=bench.path("cache"), GOFLAGS="-mod=mod", GO111MODULE="off", HOME=bench.dir)
    subprocess.run(["go", "build", "-o", bench.path("server"), source], check=True, env=env)
    go = bench.start(bench.path("server"), stdout=subprocess.PIPE, text=True)
    port = int(go.stdout.readline())
    server = Server(bench, bench.daemon())

    def both(path, **kwargs):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        c.request(kwargs.get("method", "GET"), path, body=kwargs.get("body"))
        r = c.getresponse()
        theirs = r.status, r.headers, r.read()
        c.close()
        ours = server.get(f"/proc/{go.pid}{path}", **kwargs)
        return theirs, ours

    for path in ("/debug/pprof/profile?seconds=1", "/debug/pprof/profile?seconds=1&debug=1",
                 "/debug/pprof/cmdline", "/debug/pprof/nothing", "/debug/pprof/symbol?0x1",
                 "/debug/pprof/profile/", "/debug/pprof/Profile"):
        theirs, ours = both(path)
        check_equal(essence(ours), essence(theirs), path)
    theirs, ours = both("/debug/pprof/cmdline")
    check_equal(ours[2], theirs[2], "cmdline")
    # What the program itself says of the addresses that were sampled in it, and of words that are none.
    samples = samples_of(bench, server, f"/proc/{go.pid}/debug/pprof/profile?seconds=1",
                         lambda samples: any(s[1][:1] == ["main.spin"] for s in samples))
    words = "+".join({hex(s[4][0]) for s in samples if s[3][0] == bench.path("server")})
    for kwargs in ({"method": "POST", "body": words}, {"method": "POST", "body": "0x1+x++" + words + "+-1+"},
                   {"method": "POST", "body": "0" * 5000 + "+" + words}, {"method": "POST", "body": ""}):
        theirs, ours = both("/debug/pprof/symbol", **kwargs)
        check_equal(ours[2], theirs[2], f"symbol by POST of {kwargs}")
        check_equal(essence(ours), essence(theirs), "symbol by POST")
    theirs, ours = both("/debug/pprof/symbol?" + "+".join(words.split("+")[:100]))
    check_equal(ours[2], theirs[2], "symbol by GET")
    check(b" main.spin\n" in ours[2], f"symbol by GET: {ours[2]}")
    theirs, ours = both("/debug/pprof/")
    check_equal(ours[1]["Content-Type"], theirs[1]["Content-Type"], "type of the index")
    status, headers, _ = server.get("/debug/pprof")
    check_equal((status, headers["Location"]), (301, "/debug/pprof/"), "without the slash")
    server.end()


def test_what_there_is(bench):
    """The index shows what can be had, and links nowhere else."""
    child = lib.burner(bench, "600")
    server = Server(bench, bench.daemon())
    for page, of in ((f"/proc/{child.pid}/debug/pprof/", "profile"), ("/debug/pprof/", "profile"), ("/", "/flame"),
                     ("/", "/flame?comm=short_lived"), (f"/flame?pid={child.pid}", "/debug/pprof/profile")):
        status, headers, body = server.get(page)
        check_equal(status, 200, page)
        links = re.findall(r'(?:href|src)="([^"#]*)"', body.decode())
        check(any(of in link for link in links), f"{page} does not lead to {of}: {links}")
        for link in sorted(set(links)):
            if link.startswith("data:"):
                continue
            path = link.replace("&amp;", "&")
            if not path.startswith("/"):
                path = page.split("?")[0] + path
            if page == "/" and re.search(r"pid=|/proc/", path) and str(child.pid) not in path:
                continue
            if "/profile" in path:
                path += ("&" if "?" in path else "?") + "seconds=1"
            check_equal(server.get(path)[0], 200, f"{page} -> {path}")
    status, headers, body = server.get("/debug/pprof/heap")
    check_equal((status, body, headers["X-Go-Pprof"]), (404, b"Unknown profile\n", "1"), "heap")
    status, headers, body = server.get("/debug/pprof/trace?seconds=1")
    check_equal(status, 404, "trace")
    check(b"runtime" in body, f"trace: {body}")
    check(b"heap" not in server.get("/debug/pprof/")[2], "the index shows a type that there is not")
    server.end()


def test_selectors_and_errors(bench):
    child = lib.burner(bench, "600")
    server = Server(bench, bench.daemon())
    for query in (f"pid={child.pid}", "comm=short_lived", f"exe={os.path.realpath(bench.workload('short_lived'))}"):
        samples_of(bench, server, f"/debug/pprof/profile?seconds=1&{query}", works)
    # once it sleeps: its start is work
    sleeper = bench.start("sleep", "600")
    samples_of(bench, server, f"/proc/{sleeper.pid}/debug/pprof/profile?seconds=1", lambda samples: not samples)
    for query, wanted in (("pid=4194304", 404), ("pid=0", 400), ("pid=x", 400), ("comm=", 400), ("pid=%zz", 400),
                          ("comm=%00", 400), ("comm=a%0d%0aX:y", 400), ("exe=relative", 400),
                          ("seconds=9999999", 400)):
        status, headers, body = server.get(f"/debug/pprof/profile?{query}")
        check_equal(status, wanted, query)
        check(body.endswith(b"\n") and body.count(b"\n") == 1, f"{query}: {body}")
    for path in ("//debug/pprof/", "/debug/../debug/pprof/", "/proc/self/debug/pprof/", "/proc/01/debug/pprof/",
                 "/%2e%2e/etc/passwd", "/assets/../http/page.c", "/assets/%2e%2e%2fpage.c", "/proc/1/debug/pprofx"):
        check_equal(server.get(path)[0], 404, path)
    check_equal(server.get("/debug/pprof/profile", method="POST", body="x")[0], 405, "POST")
    check_equal(server.get("/" + "a" * 5000)[0], 414, "a long path")
    server.end()


def test_symbol(bench):
    """Addresses are those of one process's profiles, as long as something is held of it, also when it has ended."""
    child, other = lib.burner(bench, "600"), lib.burner(bench, "600")
    daemon = bench.daemon()
    server = Server(bench, daemon)
    url = f"/proc/{child.pid}/debug/pprof/"
    first = b"num_symbols: 1\n"
    samples = samples_of(bench, server, url + "profile?seconds=1", works)
    sampled = {s[4][0] for s in samples if s[1][0] == "short_work"}
    words = "+".join(hex(a) for a in sorted(sampled))
    wanted = first + b"".join(b"%#x short_work\n" % a for a in sorted(sampled))
    check_equal(server.get(url + "symbol", method="POST", body=words)[2], wanted, "POST")
    check_equal(server.get(url + "symbol?" + hex(min(sampled)))[2], first + b"%#x short_work\n" % min(sampled), "GET")
    check_equal(server.get(f"/debug/pprof/symbol?pid={child.pid}&{min(sampled)}")[2],
                first + b"%#x short_work\n" % min(sampled), "?pid=")
    # of many processes an address says nothing, of one that nothing is held of it is unknown
    for unknown in ("/debug/pprof/symbol?" + words, f"/proc/{other.pid}/debug/pprof/symbol?" + words,
                    f"/debug/pprof/symbol?pid={child.pid},{other.pid}&{words}",
                    "/debug/pprof/symbol?comm=short_lived&" + words, url + "symbol?0x1+nonsense", url + "symbol"):
        check_equal(server.get(unknown)[::2], (200, first), unknown)
    child.kill()
    child.wait()
    check_equal(server.get(url + "symbol", method="POST", body=words)[2], wanted, "when it has ended")
    check_equal(server.get(url + "symbol", method="POST", body="1+" * 40000)[0], 413, "a body that is too large")
    daemon.close()
    check_equal(server.get(url + "symbol", method="POST", body=words)[0], 503, "without a daemon")
    check_equal(server.get(url + "symbol")[::2], (200, first), "without an address")
    server.end()


def waiter(bench):
    """Waits for a mutex that its partner gives back, and for a time; each for milliseconds."""
    return bench.start(bench.workload("waits"), "600", bench.path("waits.log"), bench.path("scratch"), "path_mutex",
                       "path_nanosleep", stdout=subprocess.DEVNULL)


def states_of(samples):
    return {s[2].get("state") for s in samples}


def test_types_of_waiting(bench):
    """Each with its own sample types, of the next seconds; ?state= chooses; the graph ends in states."""
    child = waiter(bench)
    server = Server(bench, bench.daemon())
    url = f"/proc/{child.pid}/debug/pprof/"
    contentions, events = [("contentions", "count"), ("delay", "nanoseconds")], [("events", "count")]
    for kind, types, wanted in (("block", contentions, "path_mutex"), ("mutex", contentions, "release_mutex"),
                                ("runq", events + [("delay", "nanoseconds")], "path_mutex"),
                                ("offcpu", events + [("offcpu", "nanoseconds")], "path_nanosleep"),
                                ("wall", [("samples", "count"), ("wall", "nanoseconds")], "path_nanosleep")):
        samples = samples_of(bench, server, f"{url}{kind}?seconds=1", lambda s, wanted=wanted: wanted in lib.names_of(s))
        check_equal(bench.profile(bench.path("samples.pb.gz")).types, types, kind)
        if kind == "block":
            check("path_nanosleep" not in lib.names_of(samples), "block has sleeping in it")
            check_equal(states_of(samples) & {"sleep", "poll", "pool-idle"}, set(), "states of block")
    status, headers, _ = server.get(f"{url}block?seconds=1")
    check_equal((status, headers["Content-Type"], headers["Content-Disposition"]),
                (200, "application/octet-stream", 'attachment; filename="block-delta"'), "a difference")
    samples = samples_of(bench, server, f"{url}block?seconds=1&state=sleep",
                         lambda samples: "path_nanosleep" in lib.names_of(samples))
    check_equal(states_of(samples), {"sleep"}, "?state=sleep")
    check_equal(server.get(f"{url}block?seconds=1&state=slep")[0], 400, "?state=slep")
    status, headers, body = server.get(f"{url}block?debug=1")
    check_equal((status, headers["Content-Type"]), (200, "text/plain; charset=utf-8"), "?debug=1")
    check(body.startswith(b"sample types: contentions/count, delay/nanoseconds\n"), body[:200])
    for kind, words in (("wall", (b"path_mutex", b'"sleep"', b'"mutex"')), ("mutex", (b"release_mutex",))):
        lib.wait_until(lambda kind=kind, words=words: all(
            word in server.get(f"/flame/graph?type={kind}&seconds=1&pid={child.pid}")[2] for word in words),
            90, f"the flame graph of {kind}")
    check_equal(server.get("/flame/graph?type=nix")[0], 404, "the flame graph of what there is not")
    server.end()


def test_what_is_held_is_served_at_once(bench):
    child, other = waiter(bench), bench.start("sleep", "600")
    daemon = bench.daemon()
    bench.ok(daemon, "attach", "--type", "block,mutex", child.pid)
    server = Server(bench, daemon)
    samples = samples_of(bench, server, f"/proc/{child.pid}/debug/pprof/block",
                         lambda samples: "path_mutex" in lib.names_of(samples))
    # without a span there is always more of it
    more = samples_of(bench, server, f"/proc/{child.pid}/debug/pprof/block",
                      lambda more: lib.count(more) > lib.count(samples))
    check("path_mutex" in lib.names_of(more), "what was held is gone")
    _, headers, _ = server.get(f"/proc/{child.pid}/debug/pprof/mutex")
    check_equal(headers["Content-Disposition"], 'attachment; filename="mutex"', "what is held")
    # what never waited for a lock has a profile as well, and says so
    status, _, body = server.get(f"/proc/{other.pid}/debug/pprof/mutex?seconds=1")
    check_equal(status, 200, f"a process without locks: {body[:200]}")
    with open(bench.path("empty.pb.gz"), "wb") as f:
        f.write(body)
    empty = bench.profile(bench.path("empty.pb.gz"))
    check_equal((empty.types, empty.samples), ([("contentions", "count"), ("delay", "nanoseconds")], []), "no locks")
    server.end()


def test_threadcreate(bench):
    """All threads that live, or with ?seconds= those that were started meanwhile."""
    starter = bench.start_with_input(lib.compile_c(bench, "starter", STARTER, "-O1", "-g", "-pthread"))
    server = Server(bench, bench.daemon())
    url = f"/proc/{starter.pid}/debug/pprof/threadcreate"

    def start_one():
        starter.stdin.write("\n")
        starter.stdin.flush()
        return len(os.listdir(f"/proc/{starter.pid}/task"))
    for _ in range(4):
        start_one()
    lib.wait_until(lambda: len(os.listdir(f"/proc/{starter.pid}/task")) == 5, 30, "five threads")
    samples = samples_of(bench, server, url, lambda samples: lib.count(samples) == 5)
    check_equal(lib.names_of(samples), {"[before attach]"}, "threads from before")
    ended = threading.Event()

    def start_more():
        while not ended.wait(0.2):
            start_one()
    thread = threading.Thread(target=start_more)
    thread.start()
    try:
        samples_of(bench, server, url + "?seconds=2",
                   lambda samples: any(lib.count([s]) > 0 and "start_one" in s[1] for s in samples))
    finally:
        ended.set()
        thread.join()
    server.end()


def in_groups(test):
    """Gives the bench group(NAME, *CHILDREN), which puts them into a cgroup of its own; all are removed at the end."""
    def run(bench):
        with open("/proc/self/mountinfo") as f:
            root = next((line.split()[4] for line in f if " - cgroup2 " in line), None)
        if not root:
            raise lib.Skip("no cgroup v2 is mounted")
        made = []

        def group(name, *children):
            path = os.path.join(root, name)
            try:
                os.makedirs(path)
                made.append(path)
            except OSError as e:
                raise lib.Skip(f"cannot make {path}: {e.strerror}") from e
            for child in children:
                with open(os.path.join(path, "cgroup.procs"), "w") as f:
                    f.write(str(child.pid))
            return path
        bench.group = group
        try:
            test(bench)
        finally:
            for child in bench.children:
                child.kill()
                child.wait()
            for path in reversed(made):
                while path != root:
                    try:
                        os.rmdir(path)
                    except OSError:
                        break
                    path = os.path.dirname(path)
    run.__name__ = test.__name__
    return run


@in_groups
def test_units_cgroups_and_names(bench):
    """?unit=, ?cgroup= and ?comm= are what --unit, --cgroup and --comm are, and several add up."""
    name = f"profd-serve-{os.getpid()}"
    paths = {}
    for comm in ("zz-served", "zz-grouped", "zz-beside"):
        paths[comm] = bench.path(comm)
        lib.shutil.copy(bench.workload("short_lived"), paths[comm])
    served, grouped, below, beside = (bench.start(paths[comm], "600", stdout=subprocess.DEVNULL)
                                      for comm in ("zz-served", "zz-grouped", "zz-grouped", "zz-beside"))
    bench.group(f"system.slice/{name}.service", served)
    group = bench.group(name, grouped)
    bench.group(name + "/below", below)
    bench.group(name + "x", beside)
    server = Server(bench, bench.daemon())
    for query, wanted in ((f"unit={name}", {served}), (f"unit={name}.service", {served}),
                          (f"cgroup={name}", {grouped, below}), (f"cgroup={group}", {grouped, below}),
                          (f"cgroup=/{name}/below", {below}), ("comm=zz-serve*", {served}),
                          ("comm=zz-%5bgb%5d*", {grouped, below, beside}),
                          (f"unit={name}&cgroup={name}x", {served, beside}),
                          (f"comm=zz-beside&pid={served.pid}&cgroup={name}/below", {beside, served, below})):
        wanted = {child.pid for child in wanted}

        def all_of_them(samples, query=query, wanted=wanted):
            seen = {int(s[2]["pid"]) for s in samples}
            check(seen <= wanted, f"{query}: {seen}, not {wanted}")
            return seen == wanted and works(samples)
        samples_of(bench, server, f"/debug/pprof/profile?seconds=1&{query}", all_of_them)
    # the pages lead to the same target
    query = f"unit={name}.service"
    for page, link in (("/debug/pprof/?", "profile?"), ("/debug/pprof/?", "/flame?"), ("/flame?", "/flame/graph?"),
                       ("/flame?", "/debug/pprof/profile?")):
        page, link = page + query, link + query
        status, _, body = server.get(page)
        check_equal(status, 200, page)
        check(f'"{link}"' in body.decode(), f"{page} does not lead to {link}")
    lib.wait_until(lambda: b"short_work" in server.get(f"/flame/graph?seconds=1&{query}")[2], 90, "the graph of a unit")
    for query, wanted in ((f"unit={name}-none", 404), ("cgroup=/no/such/group", 404), ("cgroup=/a/../b", 400),
                          ("unit=", 400), ("comm=" + "x" * 16, 400), ("cgroup=", 400)):
        status, headers, body = server.get(f"/debug/pprof/profile?seconds=1&{query}")
        check_equal((status, headers["X-Go-Pprof"]), (wanted, "1"), f"{query}: {body}")
        check(body.endswith(b"\n") and body.count(b"\n") == 1, f"{query}: {body}")
    server.end()


def test_no_daemon(bench):
    server = Server(bench, None)
    check("no daemon" in server.said, server.said)
    status, headers, body = server.get("/debug/pprof/profile?seconds=1")
    check_equal((status, headers["X-Go-Pprof"]), (503, "1"), "without a daemon")
    check(b"no daemon" in body, body)
    server.end()


def go_pprof(bench, *words):
    done = subprocess.run(["go", "tool", "pprof", *words], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, HOME="/nonexistent", PPROF_TMPDIR=tempfile.gettempdir()))
    check_equal(done.returncode, 0, f"go tool pprof {words}: {done.stderr}")
    return done.stdout


def test_go_tool_pprof(bench):
    lib.need("go")
    child = lib.burner(bench, "600")
    server = Server(bench, bench.daemon())
    url = f"{server.url}/proc/{child.pid}/debug/pprof/profile?seconds=2"
    for words in ((url,), ("-seconds", "1", url.split("?")[0]), (bench.workload("short_lived"), url)):
        lib.wait_until(lambda words=words: "short_work" in go_pprof(bench, "-top", *words), 90, f"go tool pprof {words}")
    waits = waiter(bench)
    block = f"{server.url}/proc/{waits.pid}/debug/pprof/block"
    for words in (("-contentions",), ("-total_delay",), ("-mean_delay",), ("-seconds", "1"), ()):
        lib.wait_until(lambda words=words: "path_mutex" in go_pprof(
            bench, "-top", "-cum", *words, block if "-seconds" in words else block + "?seconds=1"), 90,
            f"go tool pprof {words} of block")
    first, second = bench.path("1.pb.gz"), bench.path("2.pb.gz")
    for path in (first, second):
        go_pprof(bench, "-proto", "-output", path, url)
    go_pprof(bench, "-top", "-base", first, second)
    go_pprof(bench, "-top", "-base", first, url)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    bench.start("go", "tool", "pprof", "-http", f"127.0.0.1:{port}", "-no_browser", url, stderr=subprocess.DEVNULL,
                env=dict(os.environ, HOME="/nonexistent", PPROF_TMPDIR=bench.dir), start_new_session=True)
    bench.children[-1].kill = lambda group=bench.children[-1].pid: os.killpg(group, signal.SIGKILL)

    def answers():
        try:
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            c.request("GET", "/ui/top")
            return b"short_work" in c.getresponse().read()
        except OSError:
            return False
    lib.wait_until(answers, 60, "go tool pprof -http")
    server.end()


def test_other_users(bench):
    """Who is not the user or root gets 403, over TCP too; the user sees what the user may see."""
    lib.need("setpriv", "curl")
    os.chmod(bench.dir, 0o755)
    daemon = bench.daemon()
    mine = lib.burner(bench, "600")
    roots, theirs = Server(bench, daemon), Server(bench, daemon, uid=NOBODY)

    def curl(server, uid, path="/"):
        become = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid else []
        done = subprocess.run([*become, "curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}",
                               f"{server.url}{path}"], capture_output=True, text=True)
        return int(done.stdout)
    for path in ("/", "/debug/pprof/", "/debug/pprof/cmdline?pid=1", "/nothing", "/debug/pprof/profile?seconds=1"):
        check_equal(curl(roots, NOBODY, path), 403, f"another user, {path}")
    check_equal(curl(roots, 0), 200, "root")
    check_equal(curl(theirs, NOBODY), 200, "its own user")
    check_equal(curl(theirs, 0), 200, "root at a user's")
    check_equal(curl(theirs, 1), 403, "a third user")
    check_equal(curl(theirs, NOBODY, f"/proc/{mine.pid}/debug/pprof/profile?seconds=1"), 403, "root's process")
    path = bench.path("s.sock")
    server = Server(bench, daemon, "--listen", f"unix:{path}")
    check_equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the socket")
    os.chmod(path, 0o777)
    for uid, wanted in ((0, "200"), (NOBODY, "403")):
        become = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid else []
        done = subprocess.run([*become, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", path,
                               "http://x/debug/pprof/"], capture_output=True, text=True)
        check_equal(done.stdout, wanted, f"uid {uid} on the Unix socket")
    server.end()
    check(not os.path.exists(path), "the socket is left behind")
    roots.end()
    theirs.process.send_signal(signal.SIGINT)


def test_other_sites(bench):
    server = Server(bench, bench.daemon())
    own = f"localhost:{server.port}"
    for headers in ({"Host": "evil.example"}, {"Host": f"localhost.evil.example:{server.port}"},
                    {"Host": f"{own}@evil"}, {"Host": ""}, {"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Origin": f"http://{own}.evil.example"}):
        status, got, _ = server.get("/debug/pprof/", headers=headers)
        check_equal(status, 403, headers)
        check("Access-Control-Allow-Origin" not in got, "CORS is open")
    for headers in ({"Host": "127.0.0.1"}, {"Host": f"[::1]:{server.port}"}, {"Host": "LOCALHOST"},
                    {"Origin": f"http://{own}"}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}):
        check_equal(server.get("/debug/pprof/", headers=headers)[0], 200, headers)
    for path in ("/", "/debug/pprof/", "/flame", "/nothing", "/flame/graph?seconds=1"):
        _, got, _ = server.get(path)
        check("default-src 'none'" in got["Content-Security-Policy"], path)
        check_equal(got["X-Content-Type-Options"], "nosniff", path)
        check("'unsafe-inline'" not in got["Content-Security-Policy"] or
              "sandbox allow-scripts" in got["Content-Security-Policy"], path)
    server.end()


def test_names_are_no_markup(bench):
    name = "<b>x&\"'\x1b[2J"
    child = bench.start("python3", "-c", f"open('/proc/self/comm','w').write({name!r})\nwhile True: pass")
    server = Server(bench, bench.daemon())
    for path in ("/", f"/flame/graph?pid={child.pid}&seconds=1", "/flame?comm=%3Cscript%3E",
                 '/debug/pprof/?comm="><script>alert(1)</script>'.replace(" ", "%20")):
        status, _, body = server.get(path)
        check(b"<b>x" not in body and b"\x1b" not in body and b"<script>alert" not in body, f"{path}: {body[:2000]}")
        check_equal(status, 200, path)
    server.end()


def test_together(bench):
    child = lib.burner(bench, "600")
    server = Server(bench, bench.daemon())
    seen = []

    def one():
        seen.append(server.get(f"/proc/{child.pid}/debug/pprof/profile?seconds=5")[0])
    threads = [threading.Thread(target=one) for _ in range(10)]
    for t in threads:
        t.start()
    check_equal(server.get("/")[0], 200, "the overview meanwhile")
    for t in threads:
        t.join()
    check_equal(seen, [200] * 10, "ten profiles at once")
    server.end()


def test_who_leaves_costs_nothing(bench):
    """A client that is gone takes its attachment with it; so does Ctrl-C."""
    daemon = bench.daemon()
    child = lib.burner(bench, "600")
    server = Server(bench, daemon)

    def attached():
        return f"--pid {child.pid}" in bench.ok(daemon, "ps").out

    def ask():
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(f"GET /proc/{child.pid}/debug/pprof/profile?seconds=600 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return s
    s = ask()
    lib.wait_until(attached, 20, "attaching")
    s.close()
    lib.wait_until(lambda: not attached(), 20, "detaching")
    s = ask()
    lib.wait_until(attached, 20, "attaching again")
    server.end()
    lib.wait_until(lambda: not attached(), 20, "detaching at the end")
    s.close()


def count_of(server, what):
    return len(os.listdir(f"/proc/{server.process.pid}/{what}"))


def test_many_slow_and_malicious(bench):
    """A thousand connections that send nothing, or little: neither memory nor threads; others are answered."""
    server = Server(bench, bench.daemon())
    check_equal(server.get("/debug/pprof/")[0], 200, "before")
    waiting = []
    for i in range(1000):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", server.port))
        waiting.append(s)
    for s in waiting[:600]:
        try:
            s.send(b"GET / HTTP/1.1\r\nHost: local")
        except OSError:
            pass
    check_equal(server.get("/debug/pprof/", timeout=90)[0], 200, "among a thousand that wait")
    check(count_of(server, "fd") < 400, f"{count_of(server, 'fd')} descriptors")
    check(count_of(server, "task") < 60, f"{count_of(server, 'task')} threads")
    for s in waiting:
        s.close()
    crafted = [b"\0" * 100, b"\r\n" * 5000, b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"A" * 100000,
               b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 60000 + b"\r\n\r\n",
               b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000,
               b"GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
               b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
               b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
               b"POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" +
               b"z" * 300000,
               b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
               b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"CONNECT evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
               b"GET /debug/pprof/profile?" + b"a&" * 1500 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    for request in crafted:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as s:
            try:
                s.sendall(request)
                s.shutdown(socket.SHUT_WR)
                reply = s.recv(4096)
            except OSError:
                reply = b""
            line = reply.split(b"\r\n")[0]
            check(not line or re.match(rb"HTTP/1\.[01] [45]", line), f"{request[:60]}: {line}")
    check_equal(server.get("/debug/pprof/")[0], 200, "afterwards")
    server.end()


def test_port_taken(bench):
    daemon = bench.daemon()
    server = Server(bench, daemon)
    bench.profctl(daemon, "serve", "--listen", str(server.port)).one_line(1, "something else", str(server.port))
    for address in ("nonsense:x", "1:2:3", "", "localhost:70000", "[::1"):
        bench.profctl(daemon, "serve", "--listen", address).one_line(2, "address")
    server.end()


def test_in_a_browser(bench):
    """The pages run in a real browser: the overview renews itself, the graph is drawn."""
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if lib.shutil.which(b)), None)
    if not browser:
        raise lib.Absent("no chromium")
    child = lib.burner(bench, "600")
    server = Server(bench, bench.daemon())

    def show(path):
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                               f"--user-data-dir={bench.path('browser')}", "--virtual-time-budget=8000", "--dump-dom",
                               f"{server.url}{path}"], capture_output=True, text=True, timeout=120)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        check(not console, f"{path}: the console says {console}")
        return done.stdout
    check("short_lived" in show("/"), "the overview")
    check('id="graphs"' in show(f"/flame?pid={child.pid}"), "the page of the graph")
    graph = lib.wait_until(lambda: (lambda page: page if "short_work" in page else None)(
        show(f"/flame/graph?pid={child.pid}&seconds=1")), 120, "the graph")
    check("<canvas" in graph, graph[:500])
    server.end()


if __name__ == "__main__":
    sys.exit(lib.main(globals()))
