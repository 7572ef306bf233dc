#!/usr/bin/env python3
"""What sessions cost a relay: whole handshakes, clients that come back (0-RTT), and sessions that say nothing.

The relay has one core, the dialler the other. Per session: the relay's user and system time from dial to end, with one question answered; sessions of one core in
a second follow from that. Delay is from dial to the answer, one session at a time. Idle sessions: what the relay's resident size grew by, and its CPU.

usage: session_figures.py EC_NODE DIAL_SESSIONS [--visits 1000] [--idle 2000] [--seconds 20]
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time


def on_core(number):
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[number % len(cores)]})


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class Relay:
    def __init__(self, ec_node, folder):
        self.out = pathlib.Path(folder) / "addr"
        self.out.unlink(missing_ok=True)
        self.process = subprocess.Popen([ec_node, "relay", "--listen", "127.0.0.1:0", "--http-listen", "off", "--state-dir", folder, "--endpoint-addr-out", str(self.out)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=on_core(0))

    def __enter__(self):
        for _ in range(600):
            if self.out.exists():
                port = re.search(r":(\d+)#(.*)", self.out.read_text().strip())
                self.address = f"moqt://127.0.0.1:{port[1]}#{port[2]}"
                return self
            time.sleep(0.05)
        sys.exit("the relay did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def dial(program, relay, how, count, together):
    before = cpu_seconds(relay.process.pid)
    done = subprocess.run([program, relay.address, how, str(count), str(together)], capture_output=True, text=True, preexec_fn=on_core(1))
    if done.returncode != 0:
        sys.exit(done.stderr)
    figures = json.loads(done.stdout)
    figures["relay_cpu"] = cpu_seconds(relay.process.pid) - before
    return figures


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("ec_node")
    parser.add_argument("dial_sessions")
    parser.add_argument("--visits", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ec-sessions-") as folder:
        print(f"{'sessions':28}{'relay ms':>10}{'per core-s':>12}{'client ms':>11}{'p50 us':>9}{'p99 us':>9}{'early':>8}")
        for name, how, together in (("whole handshake, 16 at a time", "full", 16), ("whole handshake, one by one", "full", 1), ("0-RTT rejoin, one by one", "rejoin", 1)):
            with Relay(options.ec_node, folder) as relay:
                f = dial(options.dial_sessions, relay, how, options.visits, together)
            each = f["relay_cpu"] / f["sessions"]
            print(f"{name:28}{each * 1e3:10.3f}{1 / each:12.0f}{f['cpu_seconds'] / f['sessions'] * 1e3:11.3f}{f['p50_us']:9.0f}{f['p99_us']:9.0f}{f['early']:8}", flush=True)
        with Relay(options.ec_node, folder) as relay:
            dial(options.dial_sessions, relay, "full", 100, 16)  # what is there once
            size = resident_kb(relay.process.pid)
            idle = subprocess.Popen([options.dial_sessions, relay.address, "idle", str(options.idle)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=on_core(1))
            if not idle.stdout.readline():
                sys.exit("the idle sessions did not come up")
            time.sleep(3)  # tickets and their acknowledgements are through
            grown = resident_kb(relay.process.pid) - size
            before = cpu_seconds(relay.process.pid)
            time.sleep(options.seconds)
            used = cpu_seconds(relay.process.pid) - before
            idle.stdin.close()
            idle.wait(60)
            print(f"{options.idle} idle sessions: {grown / options.idle:.1f} KB each, {used / options.seconds * 100:.2f} % of a core for all")


if __name__ == "__main__":
    main()
