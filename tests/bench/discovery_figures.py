#!/usr/bin/env python3
"""What each carrier takes to discover a stream, and what it costs: three nodes in networks of their own at one switch, by one carrier after the other.

usage: discovery_figures.py EC_NODE [SECONDS of traffic to measure, 60]
"""
import pathlib
import subprocess
import sys

CARRIERS = ["directory", "gossip", "bridge", "dht"]


def main():
    binary = sys.argv[1]
    seconds = sys.argv[2] if len(sys.argv) > 2 else "60"
    script = pathlib.Path(__file__).resolve().parent.parent / "e2e" / "discovery_net.py"
    for carrier in CARRIERS:
        done = subprocess.run([sys.executable, script, binary, carrier, seconds], capture_output=True, text=True)
        lines = done.stdout.splitlines()
        if done.returncode != 0:
            print(f"{carrier}: failed\n{done.stderr[-2000:]}")
            sys.exit(done.returncode)
        print("\n".join(line for line in lines if line.startswith(("time to discover", "traffic", "    "))), flush=True)


if __name__ == "__main__":
    main()
