#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""How long the daemon's loop keeps a client waiting: a status request every 5 ms; idle, while a cold dump is
made, and during a storm of short processes."""
import subprocess
import threading
import time

import measure
import wire_client
from measure import say


class Pinger:
    """Asks from a thread of its own until it is stopped; answers in milliseconds."""

    def __init__(self, socket, every=0.005):
        self.client = wire_client.Client(socket)
        self.every, self.took, self.stop = every, [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            began = time.monotonic()
            self.client.send("status")
            self.client.read_frame()
            took = time.monotonic() - began
            self.took.append((took * 1000, began))
            time.sleep(max(self.every - took, 0))

    def end(self, name):
        self.stop.set()
        self.thread.join()
        self.client.close()
        took = [t for t, _ in self.took]
        began = self.took[0][1]
        say(f"answers of status, {name}", f"median {measure.statistics.median(took):.2f} ms, "
            f"p99 {measure.quantile(took, 0.99):.2f} ms, worst {max(took):.2f} ms of {len(took)}; the worst at " +
            ", ".join(f"{t:.1f} ms ({at - began:.2f} s)" for t, at in sorted(self.took)[:-4:-1]))


def main():
    args = measure.options(__doc__, seconds=20, storm=200, freq=99)
    with measure.Measurement(args) as m:
        daemon = m.shipped(args.freq)
        time.sleep(3)
        ping = Pinger(daemon.socket)
        time.sleep(args.seconds)
        ping.end("idle")
        load = m.mixed()
        time.sleep(args.seconds)
        ping = Pinger(daemon.socket)
        time.sleep(args.seconds)
        ping.end("mixed load")
        load.stop()
        time.sleep(1)
        for name in ("cold dump", "warm dump"):
            ping = Pinger(daemon.socket)
            time.sleep(0.2)
            m.ok(daemon, "dump", "--type", "cpu", "-o", m.path("cpu.pb.gz"))
            ping.end(name)
        ping = Pinger(daemon.socket)
        subprocess.run([m.workload("forkstorm"), str(args.storm), str(args.seconds)], check=True,
                       stdout=subprocess.DEVNULL)
        ping.end(f"storm of {args.storm}/s")


if __name__ == "__main__":
    main()
