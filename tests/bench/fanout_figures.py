#!/usr/bin/env python3
"""What fan-out costs a relay: ours, and beside it, in the same run, those of other projects that tests/interop/run.sh has compiled.

Each relay has one core, the load generator (`ec-node bench`) the other. For each number of subscribers the relays take turns; the row is
the turn with the least CPU, since other work on the machine can only add to it. CPU is user and system time over delivered bits; memory
is what the resident size grew by with the subscribers beyond those of the row above, so that objects which are kept and buffers that
are there once do not count. Ours runs in each of --versions, each other relay in the one of them that it is best at; "of best" is our CPU over that
of the best of the others.

usage: fanout_figures.py EC_NODE [--peers BIN_DIR] [--versions moqt-18,moq-lite-05] [--subscribers 50,200,400] [--seconds 10] [--turns 3] [--large] [--web]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
from relays import Relay, certificate  # noqa: E402


def on_core(number):
    """Run in the child: the core is its own if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[number % len(cores)]})


def turn(ec_node, relay, version, subscribers, options):
    """The figures of `ec-node bench` for one run of a relay; what it complained of if there are none."""
    scheme = "https" if options.web else "moqt"
    size, rate = (83_000, 30) if options.large else (4_096, 60)
    with relay:
        done = subprocess.run([ec_node, "bench", "--relay", f"{scheme}://127.0.0.1:{relay.port}", "--tls-disable-verify", "--json",
                               "--moq-version", version, "--subscribers", str(subscribers), "--object-bytes", str(size), "--rate", str(rate),
                               "--duration-ms", str(options.seconds * 1000), "--relay-pid", str(relay.process.pid)],
                              capture_output=True, text=True, preexec_fn=on_core(1))
    if not done.stdout:
        return None, done.stderr.strip()
    return json.loads(done.stdout), ""


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("ec_node")
    parser.add_argument("--peers")
    parser.add_argument("--versions", default="moqt-18,moq-lite-05")
    parser.add_argument("--subscribers", default="50,200,400")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--web", action="store_true")
    options = parser.parse_args()
    ec_node = os.path.abspath(options.ec_node)
    with tempfile.TemporaryDirectory(prefix="ec-fanout-") as folder:
        versions = options.versions.split(",")
        # Their best version stands first.
        others = (("moq-relay-ietf", Relay.moq_relay_ietf, ("moqt-18",)), ("moq-relay", Relay.moq_relay, ("moq-lite-05", "moq-lite-04", "moqt-18", "moqt-16")))
        contest = [(Relay.ec_node(ec_node, folder, on_core(0)), version) for version in versions]
        for name, make, speaks in others:
            program = os.path.join(options.peers or "", name)
            version = next((v for v in speaks if v in versions), None)
            if options.peers and os.path.exists(program) and version:
                contest.append((make(program, folder, *certificate(folder), on_core(0)), version))
        load = "30 x 83,000 B" if options.large else "60 x 4,096 B"
        print(f"{load} a second, groups of 60 objects, {'WebTransport' if options.web else 'raw QUIC'}, {options.seconds} s, best of {options.turns}")
        print(f"{'relay':16}{'version':13}{'N':>5}{'Gbit/s':>9}{'core-s/Gbit':>13}{'cores':>7}{'p50 ms':>9}{'p99 ms':>9}{'lost':>6}{'KB each':>9}{'of best':>9}")
        before = {}
        for subscribers in map(int, options.subscribers.split(",")):
            runs = {(relay.name, version): [] for relay, version in contest}
            for _ in range(options.turns):
                for relay, version in contest:
                    figures, complaint = turn(ec_node, relay, version, subscribers, options)
                    if figures is None:
                        print(f"{relay.name:16}{version:13}{subscribers:5}   {complaint}", flush=True)
                    else:
                        runs[relay.name, version].append(figures)
            best = {who: min(found, key=lambda f: f["relay_cpu_seconds_per_gbit"]) for who, found in runs.items() if found}
            theirs = [f["relay_cpu_seconds_per_gbit"] for (name, _), f in best.items() if name != "ec-node"]
            for who, f in best.items():
                resident = min(r["relay_resident_bytes"] for r in runs[who])
                each = ""
                if who in before:
                    each = f"{(resident - before[who][1]) / (subscribers - before[who][0]) / 1000:.0f}"
                before[who] = (subscribers, resident)
                ratio = f"{100 * f['relay_cpu_seconds_per_gbit'] / min(theirs):.0f} %" if who[0] == "ec-node" and theirs else ""
                print(f"{who[0]:16}{who[1]:13}{subscribers:5}{f['delivered_gbit_per_second']:9.3f}{f['relay_cpu_seconds_per_gbit']:13.3f}"
                      f"{f['relay_cores']:7.3f}{f['delay_p50_us'] / 1000:9.2f}{f['delay_p99_us'] / 1000:9.2f}{f['groups_lost']:6}{each:>9}{ratio:>9}", flush=True)


if __name__ == "__main__":
    main()
