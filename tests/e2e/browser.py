#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Flame graphs in a real browser, as SVG and as HTML: they draw, zoom, search, obey the keyboard, say what
was merged, and let no name become markup.

usage: browser.py BUILD [TEST...]
Exit status 77: there is no chromium or no chromedriver.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import traceback

import browser_driver
from pprofile_write import Writer

LONG = ("std::map<std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >, "
        "std::vector<unsigned long, std::allocator<unsigned long> > >::operator[]"
        "(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)")
HOSTILE = [
    "<script>window.pwned=1</script>", "\"><img src=x onerror=window.pwned=2>", "]]></script><script>window.pwned=3//",
    "{{data}}</title><script>window.pwned=4</script>", "'-alert(1)-'&lt;b&gt;&#60;i", "\u2028<!--<script>",
    "</text></svg><script>window.pwned=5</script>", "\x1b[31mred\x07",
]
SECOND = 10**9


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def equal(seen, wanted, text):
    check(seen == wanted, f"{text}: {seen!r}, not {wanted!r}")


class Place:
    def __init__(self, build, browser, folder):
        self.profctl = os.path.join(build, "client", "profctl")
        self.browser, self.folder = browser, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def draw(self, profile, name, *options):
        path = self.path(name)
        done = subprocess.run([self.profctl, "flame", profile, "-o", path, *options], capture_output=True,
                              text=True, timeout=600)
        check(done.returncode == 0, f"profctl flame: {done.stderr}")
        return path

    def show(self, path):
        self.browser.open(path)
        self.browser.settle()
        equal(self.browser.complaints(), [], "complaints of the browser")

    def text(self, selector):
        return self.browser.run("return document.querySelector(arguments[0]).textContent", selector)


def shop(path):
    """6 s in parse with a long name inside, 3 s in the kernel, 1 s in Go."""
    w = Writer()
    main = ("main", "/usr/bin/shop")
    w.add([main, ("parse", "/usr/bin/shop"), (LONG, "/usr/bin/shop")], 5 * SECOND)
    w.add([main, ("parse", "/usr/bin/shop")], 1 * SECOND)
    w.add([main, ("write_all", "/usr/lib/libshop.so"), ("vfs_write", "[kernel.kallsyms]")], 3 * SECOND)
    w.add([("runtime.goexit", "/usr/bin/go-shop", "asm.s"), ("main.(*cart).add", "/usr/bin/go-shop", "cart.go")],
          1 * SECOND)
    return w.write(path)


# ---- both formats by the same words ----

class Svg:
    name = "f.svg"

    def __init__(self, place):
        self.place, self.run = place, place.browser.run

    def current(self):
        return self.run("return document.activeElement.querySelector('title').textContent.split('\\n')[0]")

    def share_of(self, name):
        """Drawn width of the first box of that name, as a share of the page; 0: not shown."""
        return self.run("""const b = [...document.querySelectorAll("#boxes>svg")].find(
            e => e.firstChild.textContent.split("\\n")[0] === arguments[0]);
            return b && b.style.display !== "none" ? b.getBoundingClientRect().width / innerWidth : 0""", name)

    def click(self, name):
        x, y = self.run("""const b = [...document.querySelectorAll("#boxes>svg")].find(
            e => e.firstChild.textContent.split("\\n")[0] === arguments[0]).getBoundingClientRect();
            return [b.x + b.width / 2, b.y + b.height / 2]""", name)
        self.place.browser.mouse(x, y, click=True)

    def labels(self):
        return self.run("""return [...document.querySelectorAll("#boxes>svg>text")].map(
            e => e.textContent).filter(Boolean)""")

    def merged(self):
        return self.place.text(".sub")


class Html:
    name = "f.html"
    # Where boxes are, from the page's own data, as flame_html.c describes it.
    BOXES = """const d = JSON.parse(document.getElementById("data").textContent), s = d.signed ? 9 : 7, out = [],
        at = [0]; for (let i = 0; i < d.boxes.length; i += s) { const [k, n, m, kind, w, , merged] =
        d.boxes.slice(i, i + 7), x = at[k] || 0; at[k] = x + w; at[k + 1] = x;
        out.push({name: merged ? "" : d.names[n], depth: k, x: x, w: w, merged: merged}); }"""

    def __init__(self, place):
        self.place, self.run = place, place.browser.run

    def current(self):
        return self.run("return document.getElementById('graph').dataset.current")

    def share_of(self, name):
        return self.run(self.BOXES + """const z = document.getElementById("graph").dataset.zoomed, root =
            out.find(b => b.name === z), b = out.find(e => e.name === arguments[0]);
            return Math.max(0, (Math.min(b.x + b.w, root.x + root.w) - Math.max(b.x, root.x)) / root.w)""", name)

    def click(self, name):
        x, y = self.run(self.BOXES + """const c = document.getElementById("graph").getBoundingClientRect(),
            b = out.find(e => e.name === arguments[0]), total = out[0].w;
            return [c.x + (b.x + b.w / 2) / total * c.width, c.bottom - b.depth * 18 - 9]""", name)
        self.place.browser.mouse(x, y, click=True)

    def labels(self):
        """What was written on the canvas since it was drawn the last time."""
        self.run("""const p = CanvasRenderingContext2D.prototype; window.written = [];
            if (!window.fill) { window.fill = p.fillText; p.fillText = function (t) {
            window.written.push(t); return window.fill.apply(this, arguments); }; }
            dispatchEvent(new Event("resize")); document.getElementById("graph").focus();
            document.getElementById("graph").blur()""")
        self.place.browser.settle()
        return self.run("return window.written.filter(Boolean)")

    def merged(self):
        return self.place.text("#merged")


def both(test):
    def run(place):
        for view in (Svg(place), Html(place)):
            print(f"    {view.name}", flush=True)
            test(place, view)
    return run


# ---- tests ----

@both
def test_it_draws_with_names_shortened_in_place_and_whole_on_hover(place, view):
    place.show(place.draw(shop(place.path("shop.pb.gz")), view.name))
    labels = view.labels()
    for name in ("main", "parse", "vfs_write", "write_all"):
        check(name in labels, f"{name} is not in {labels}")
    check(LONG not in labels, "the long name was not shortened")
    check(any(t.startswith("std::map<…>::operator[]") for t in labels), f"no short form in {labels}")
    view.click(LONG)
    check(LONG in place.text("#detail"), "the whole name is not shown")
    check("5s (50%)" in place.text("#detail"), "value and share are not shown: " + place.text("#detail"))


@both
def test_a_click_zooms_and_escape_shows_all(place, view):
    place.show(place.draw(shop(place.path("shop.pb.gz")), view.name))
    check(abs(view.share_of("parse") - 0.6) < 0.01, "parse is not 60% wide")
    view.click("parse")
    check(view.share_of("parse") > 0.98, "parse does not fill the page")
    equal(view.share_of("vfs_write"), 0, "width of vfs_write, which is beside it")
    place.browser.keys("Escape")
    check(abs(view.share_of("vfs_write") - 0.3) < 0.01, "vfs_write is not back")


@both
def test_a_search_says_what_share_matches(place, view):
    place.show(place.draw(shop(place.path("shop.pb.gz")), view.name))
    place.browser.keys("/")
    place.browser.keys(*"parse|VFS.write")
    equal(place.text("#matched"), "matched 60%", "capitals are meant")
    place.browser.keys("Escape", "/", *"parse|basic_string|vfs.write")
    equal(place.text("#matched"), "matched 90%", "what is above a match counts once")
    place.browser.keys("Enter", "n")
    check(view.current() in ("parse", LONG, "vfs_write"), f"the focus is on {view.current()}")
    place.browser.keys("/", *"(")
    check(place.browser.run("return document.getElementById('search').getAttribute('aria-invalid')") == "true",
          "no complaint about a bad expression")
    place.browser.keys("Escape")
    equal(place.text("#matched"), "", "after Escape")


@both
def test_the_keyboard_goes_everywhere(place, view):
    place.show(place.draw(shop(place.path("shop.pb.gz")), view.name))
    place.browser.keys("Home", "Up")
    equal(view.current(), "main", "above the root")
    place.browser.keys("Right")
    equal(view.current(), "runtime.goexit", "on the right of main")
    place.browser.keys("Left", "Up")
    equal(view.current(), "parse", "above main")
    place.browser.keys("Right", "Enter")
    equal(view.current(), "write_all", "on the right of parse")
    check(view.share_of("write_all") > 0.98, "Enter does not zoom")
    place.browser.keys("Down")
    equal(view.current(), "main", "below write_all")
    place.browser.keys("Up")
    equal(view.current(), "write_all", "above main when zoomed to it")
    place.browser.keys("Escape")
    equal(view.current(), "all", "after Escape")
    equal(place.browser.run("return document.querySelector('[role=tree] [role=treeitem]') !== null"), True,
          "the boxes have a role")


@both
def test_an_icicle_hangs(place, view):
    place.show(place.draw(shop(place.path("shop.pb.gz")), view.name, "--icicle"))
    place.browser.keys("Home", "Down", "Down")
    equal(view.current(), "parse", "below main")


@both
def test_inverted_starts_at_the_leaves(place, view):
    place.show(place.draw(shop(place.path("shop.pb.gz")), view.name, "--inverted"))
    place.browser.keys("Home", "Up")
    equal(view.current(), LONG, "the heaviest leaf")
    place.browser.keys("Up", "Up")
    equal(view.current(), "main", "the caller of its caller")


@both
def test_no_name_becomes_markup(place, view):
    w = Writer()
    for i, name in enumerate(HOSTILE):
        w.add([("main", "<i>module</i>"), (name, f"/x/{name}", name)], 100 - i)
    profile = w.write(place.path("<img src=x onerror=window.pwned=9>.pb.gz".replace("/", "")))
    place.show(place.draw(profile, view.name, "--color-by", "module"))
    place.show(place.draw(profile, view.name, "--title", "</title><script>window.pwned=6</script>"))
    place.browser.settle()
    equal(place.browser.run("return typeof window.pwned"), "undefined", "window.pwned")
    equal(place.browser.run("return document.querySelectorAll('img,iframe,object,b i').length"), 0, "elements")
    equal(place.browser.run("return document.querySelectorAll('script').length"), 2 if view.name == "f.html" else 1,
          "scripts")
    for i, name in enumerate(HOSTILE[:-2]):
        shown = name.replace("\u2028", "?")
        place.browser.keys("Escape")
        view.click(shown)
        check(shown in place.text("#detail"), f"{name!r} is shown as {place.text('#detail')!r}")


@both
def test_it_is_readable_at_any_width(place, view):
    path = place.draw(shop(place.path("shop.pb.gz")), view.name)
    try:
        for width in (500, 2000):
            place.browser.size(width, 700)
            place.show(path)
            equal(place.browser.run("return document.documentElement.scrollWidth > innerWidth"), False,
                  f"it is wider than a page of {width}")
            check(abs(view.share_of("parse") - 0.6) < 0.01, f"parse is not 60% of {width}")
            check("main" in view.labels(), "no name at this width")
    finally:
        place.browser.size(1200, 700)


@both
def test_what_was_merged_is_said(place, view):
    w = Writer()
    w.add(["main", "large"], 10**9)
    for i in range(300):
        w.add(["main", f"tiny{i}", "inner"], 100000)
    place.show(place.draw(w.write(place.path("tiny.pb.gz")), view.name, "--minwidth", "1%"))
    # Of 300 callees with one frame above each, 30 ms in 1.03 s.
    said = view.merged()
    check("600" in said and "2.9" in said, f"it says: {said}")
    place.show(place.draw(place.path("tiny.pb.gz"), view.name, "--minwidth", "0"))
    check("merged" not in place.text("svg .sub" if view.name == "f.svg" else "#what"), "nothing was merged")


@both
def test_stacks_of_500_frames(place, view):
    w = Writer()
    for leaf in range(50):
        w.add([f"frame{i}" for i in range(500)] + [f"leaf{leaf}"], 10**6)
    place.show(place.draw(w.write(place.path("deep.pb.gz")), view.name))
    check("all" in view.labels(), "the root is not in view")
    place.browser.keys("Home", *["Up"] * 20)
    equal(view.current(), "frame19", "20 above the root")
    place.browser.keys("/", *"frame499", "Enter")
    equal(view.current(), "frame499", "the first match")
    equal(place.text("#matched"), "matched 100%", "share of the deepest")


@both
def test_a_hundred_thousand_stacks(place, view):
    w, r = Writer(), random.Random(4)
    for i in range(100000):
        w.add(["main"] + [f"f{depth}_{r.randrange(4 + 3 * depth)}" for depth in range(12)] + [f"leaf{i}"],
              r.randrange(1, 10**6))
    path = place.draw(w.write(place.path("wide.pb.gz")), view.name)
    size = os.path.getsize(path)
    print(f"      {size} bytes", flush=True)
    check(size < 20 << 20, f"{size} bytes")
    place.show(path)
    check("merged" in view.merged(), "it does not say what was merged")
    place.browser.keys("/", *"^f0_1$", "Enter")
    equal(view.current(), "f0_1", "the match")
    place.browser.keys("Enter")
    check(view.share_of("f0_1") > 0.98, "it does not zoom")
    if view.name == "f.html":
        print(f"      drawn in {place.browser.run('return graph.dataset.drawMs')} ms", flush=True)


def test_a_difference_is_red_and_blue(place):
    for name, parse, gone, new in (("a", 4, 2, 0), ("b", 8, 0, 2)):
        w = Writer()
        w.add(["main", "parse"], parse * SECOND)
        w.add(["main", "gone"], gone * SECOND)
        w.add(["main", "new"], new * SECOND)
        w.write(place.path(name + ".pb.gz"))
    done = subprocess.run([place.profctl, "diff", place.path("a.pb.gz"), place.path("b.pb.gz"), "-o",
                           place.path("diff.svg")], capture_output=True, text=True, timeout=60)
    equal(done.returncode, 0, done.stderr)
    place.show(place.path("diff.svg"))
    colors = place.browser.run("""const out = {}; document.querySelectorAll("#boxes>svg").forEach(e => {
        out[e.firstChild.textContent.split("\\n")[0]] =
        getComputedStyle(e.querySelector("rect")).fill.match(/\\d+/g).map(Number); }); return out""")
    check(colors["gone"][2] > colors["gone"][0] + 50, f"gone is not blue: {colors['gone']}")
    for name in ("new", "parse"):
        check(colors[name][0] > colors[name][2] + 50, f"{name} is not red: {colors[name]}")


def main():
    if not browser_driver.programs():
        print("SKIP: no chromium or no chromedriver")
        return 77
    tests = {k: t for k, t in globals().items() if k.startswith("test_")}
    wanted = sys.argv[2:] or tests
    folder, failed = tempfile.mkdtemp(prefix="profd-browser-"), 0
    browser = browser_driver.Browser()
    try:
        for name in wanted:
            print(name, flush=True)
            try:
                tests[name](Place(sys.argv[1], browser, folder))
            except Exception:
                failed += 1
                traceback.print_exc(file=sys.stdout)
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(wanted) - failed} ok, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
