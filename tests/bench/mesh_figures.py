#!/usr/bin/env python3
"""The figures of the main job in real time: the demo's mesh (simulated tuner, leader with manifests only, relay with chunks only,
subscriber with HLS) at one broadcast of 19.39 Mbit/s with epochs of one chunk, every process its own.

Prints for each process its CPU (user and system, of one core) and resident memory over the measured time, and the latency from the
packet that showed a chunk to be whole to its verified segment on disk: counted from the first of the two readings that
showed it, and from the second (before which it could not have been both signed and sent).

usage: mesh_figures.py EC_NODE [--seconds N (60)]
"""
import argparse
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import mesh  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid):
    """Resident now, its highest, and the part of it that is the process's own (not of files it maps)."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in ("VmRSS", "VmHWM", "RssAnon"):
            found[key] = int(value.split()[0]) / 1000
    return found["VmRSS"], found["VmHWM"], found["RssAnon"]


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("binary")
    options.add_argument("--seconds", type=int, default=60)
    given = options.parse_args()
    with mesh.Mesh(given.binary, "figures") as m:
        signer = m.keygen("leader")
        url = f"{m.tuner()}/auto/v5.1"
        leader = m.leader(url, "leader", "--json")
        relay = m.publisher("relay", url, "--json")
        m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--remote-manifests", leader,
                "--remote", relay, "--require-manifest", "--trust", signer)
        time.sleep(10)  # what starts up is not what runs for months
        pids = {name: process.pid for name, process in m.running}
        before, since = {n: cpu_seconds(p) for n, p in pids.items()}, time.monotonic()
        time.sleep(given.seconds)
        took = time.monotonic() - since
        print(f"19.39 Mbit/s in real time, {took:.0f} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        for name, pid in pids.items():
            now, highest, own = memory_mb(pid)
            print(f"  {name:11s} {100 * (cpu_seconds(pid) - before[name]) / took:5.2f} % of a core, {now:5.1f} MB resident "
                  f"(highest {highest:.1f}, of it its own {own:.1f})")
        shown = [{e["chunk"]: e["shown_whole_unix_us"] for e in m.events(n) if e["event"] == "chunk-cut" and not e["damaged"]}
                 for n in ("leader", "relay")]
        written = {e["chunk"]: e["on_disk_unix_us"] for e in m.events("subscriber") if e["event"] == "segment" and e["verified"]}
        both = sorted(set(shown[0]) & set(shown[1]) & set(written))
        if not both:
            sys.exit("no chunk went all the way")
        for name, pick in (("first", min), ("second", max)):
            took_ms = sorted((written[c] - pick(shown[0][c], shown[1][c])) / 1000 for c in both)
            print(f"  latency from the {name} reading that showed a chunk whole to its verified segment on disk, {len(both)} chunks: "
                  f"p50 {percentile(took_ms, 0.5):.1f} ms, p99 {percentile(took_ms, 0.99):.1f} ms, highest {took_ms[-1]:.1f} ms")
        rejected = [e for e in m.events("subscriber") if e["event"] == "rejected"]
        print(f"  rejected: {len(rejected)}")


if __name__ == "__main__":
    main()
