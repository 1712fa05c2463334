# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium through chromedriver's WebDriver protocol (www.w3.org/TR/webdriver2), by hand."""
import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--force-device-scale-factor=1"]
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Home": "\ue011", "Left": "\ue012", "Up": "\ue013",
        "Right": "\ue014", "Down": "\ue015", "Tab": "\ue004"}


def programs():
    """chromium and chromedriver, or None where one of them is missing."""
    found = [shutil.which("chromium"), shutil.which("chromedriver")]
    return found if all(found) else None


class Browser:
    def __init__(self, width=1200, height=700, flags=()):
        chromium, chromedriver = programs()
        self.profile = tempfile.mkdtemp(prefix="profd-browser-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        env = dict(os.environ, HOME=self.profile, XDG_CONFIG_HOME=self.profile)
        self.process = subprocess.Popen([chromedriver, f"--port={self.port}"], env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.session = ""
        options = {"binary": chromium, "args": [*FLAGS, *flags, f"--user-data-dir={self.profile}/user",
                                                f"--window-size={width},{height}"]}
        try:
            self.wait_for_driver()
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}}, timeout=60)
        except BaseException:
            self.close()
            raise
        self.session = "/session/" + made["sessionId"]

    def wait_for_driver(self):
        end = time.monotonic() + 30
        while True:
            try:
                if self.call("GET", "/status")["ready"]:
                    return
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
            time.sleep(0.05)

    def call(self, method, path, body=None, timeout=120):
        url = f"http://127.0.0.1:{self.port}{path}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        # No proxy of the environment stands between us and our own driver.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(f"{path}: {json.load(e)['value']['message']}") from e

    def open(self, path):
        self.call("POST", self.session + "/url", {"url": "file://" + path})

    def run(self, script, *args):
        """The value that a function body returns in the page."""
        return self.call("POST", self.session + "/execute/sync", {"script": script, "args": list(args)})

    def keys(self, *keys):
        """Pressed one after the other, wherever the focus is."""
        actions = []
        for key in keys:
            key = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.act({"type": "key", "id": "keys", "actions": actions})

    def mouse(self, x, y, click=False):
        actions = [{"type": "pointerMove", "duration": 0, "x": int(x), "y": int(y)}]
        if click:
            actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self.act({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                  "actions": actions})

    def act(self, source):
        self.call("POST", self.session + "/actions", {"actions": [source]})
        self.settle()

    def settle(self):
        """Until two more frames were drawn."""
        self.call("POST", self.session + "/execute/async", {"script":
                  "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))",
                  "args": []})

    def size(self, width, height):
        self.call("POST", self.session + "/window/rect", {"width": width, "height": height})
        self.settle()

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("GET", self.session + "/screenshot")))

    def complaints(self):
        """What the page wrote to the console as errors and warnings since the last call."""
        log = self.call("POST", self.session + "/se/log", {"type": "browser"})
        return [e["message"] for e in log if e["level"] in ("SEVERE", "WARNING")]

    def close(self):
        try:
            if self.session:
                self.call("DELETE", self.session, timeout=20)
        finally:
            self.process.terminate()
            self.process.wait(20)
            shutil.rmtree(self.profile, ignore_errors=True)
