#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `profctl convert` writes, given to the programs that read it: speedscope's importer (npm) in a
headless Chromium and its schema, flamegraph.pl and stackcollapse-perf.pl.

usage: formats.py PROFCTL

The Perl scripts are not in a package: FLAMEGRAPH names a folder that has them
(github.com/brendangregg/FlameGraph). Exit status 77: none of the programs is here.
"""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import synthetic

SPEEDSCOPE = "speedscope@1.25.0"


def convert(profctl, profile, fmt):
    return subprocess.run([profctl, "convert", profile, "-f", fmt], check=True,
                          capture_output=True).stdout


def folded_total(text):
    return sum(int(line.rsplit(b" ", 1)[1]) for line in text.splitlines())


def check_speedscope_file(data):
    doc = json.loads(data)
    frames = len(doc["shared"]["frames"])
    for profile in doc["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert sum(profile["weights"]) == profile["endValue"]
        assert all(0 <= f < frames for s in profile["samples"] for f in s)
    return doc


def npm(folder):
    if not shutil.which("npm"):
        return None
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", folder,
                           SPEEDSCOPE], capture_output=True, timeout=120)
    path = os.path.join(folder, "node_modules/speedscope/dist/release")
    return path if done.returncode == 0 and os.path.exists(path) else None


def imports(release, folder, name, data):
    """Whether speedscope's page opens it: its toolbar appears and its title is the profile's."""
    script = os.path.join(folder, "profile.js")
    with open(script, "w", encoding="ascii") as f:
        f.write(f"speedscope.loadFileFromBase64({name!r},{base64.b64encode(data).decode()!r})")
    done = subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
         "--allow-file-access-from-files", "--virtual-time-budget=20000",
         f"--user-data-dir={folder}/browser", "--dump-dom",
         f"file://{release}/index.html#localProfilePath={script}"],
        capture_output=True, timeout=120)
    page = done.stdout.decode(errors="replace")
    return "Left Heavy" in page and re.search(r"<title>.+ - speedscope</title>", page)


def main():
    profctl, used = sys.argv[1], []
    with tempfile.TemporaryDirectory() as folder:
        profiles = []
        for seed in (1, 6, 7, 13):
            profiles.append(os.path.join(folder, f"{seed}.pb.gz"))
            with open(profiles[-1], "wb") as f:
                f.write(synthetic.make(seed))
        scripts = os.environ.get("FLAMEGRAPH", "")
        if os.path.exists(os.path.join(scripts, "flamegraph.pl")) and shutil.which("perl"):
            used.append("flamegraph.pl")
            for profile in profiles:
                folded = convert(profctl, profile, "folded")
                svg = subprocess.run(["perl", os.path.join(scripts, "flamegraph.pl")], input=folded,
                                     capture_output=True, check=True)
                assert b"<rect" in svg.stdout and not svg.stderr, svg.stderr
                perf = convert(profctl, profile, "perf-script")
                stacks = subprocess.run(["perl", os.path.join(scripts, "stackcollapse-perf.pl")],
                                        input=perf, capture_output=True, check=True).stdout
                assert folded_total(stacks) == folded_total(folded), profile
        release = npm(folder)
        if release:
            used.append("speedscope's schema")
            with open(os.path.join(release, "file-format-schema.json"), encoding="utf-8") as f:
                schema = json.load(f)
            try:
                import jsonschema
            except ImportError:
                jsonschema = None
            for profile in profiles:
                doc = check_speedscope_file(convert(profctl, profile, "speedscope"))
                if jsonschema:
                    jsonschema.validate(doc, schema)
            if shutil.which("chromium"):
                used.append("speedscope's importer")
                for name, fmt in (("p.speedscope.json", "speedscope"), ("p.folded", "folded"),
                                  ("p.perf", "perf-script"), ("p.pb", "pprof")):
                    data = convert(profctl, profiles[2], fmt)
                    assert imports(release, folder, name, data), f"speedscope does not open {name}"
    if not used:
        print("skipped: none of flamegraph.pl and npm's speedscope is here", file=sys.stderr)
        return 77
    print("accepted by", ", ".join(used))
    return 0


if __name__ == "__main__":
    sys.exit(main())
