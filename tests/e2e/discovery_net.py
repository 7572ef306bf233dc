#!/usr/bin/env python3
"""Three nodes and a directory, each in a network namespace of its own, at one switch: each finds the others' streams by one carrier
alone, a node that is cut off is gone after its time, and when the cable is back all is found again.

usage: discovery_net.py EC_NODE directory | gossip | bridge | mdns | dht [SECONDS]

With SECONDS, what it costs is measured for so long in place of the rest: bytes on each node's cable, and what the carriers count.
"""
import json
import os
import shutil
import subprocess
import sys
import time

import mesh
from mesh import check

TTL_S = 6
NODES = ["a", "b", "c"]
STREAM = {n: mesh.STREAM.replace("5.1", f"{i}.1") for i, n in enumerate(NODES, 1)}
DIRECTORY = "http://10.9.0.10:8080"
BOOTSTRAP = "10.9.0.1:6881"


def measured_for():
    """Seconds; 0: nothing is measured."""
    return int(sys.argv[3]) if len(sys.argv) > 3 else 0


def ttl_s():
    return 60 if measured_for() else TTL_S  # as it is by default, where traffic is measured


def cable_bytes(name):
    """What went over the cable of a node, both ways, with all headers."""
    told = subprocess.run(["ip", "-s", "-j", "link", "show", "dev", f"to-{name}"], capture_output=True, check=True)  # /sys is not of this network
    counted = json.loads(told.stdout)[0]["stats64"]
    return counted["rx"]["bytes"] + counted["tx"]["bytes"]


def measure(m, carrier, seconds):
    """Each of the three nodes has one stream and looks for two; a publisher and a listener each, as processes of their own."""
    time.sleep(10)  # what only a beginning costs is over
    before = {n: cable_bytes(n) for n in NODES}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    wire = {n: cable_bytes(n) - before[n] for n in NODES}
    hour = 3600 / passed
    print(f"traffic of {carrier}, {passed:.0f} s after the first 10: " + ", ".join(f"{n} {b} bytes" for n, b in wire.items()) + " on its cable, both ways with all headers")
    print(f"    a node with a stream of its own and two that it looks for: {sum(wire.values()) / 3 * hour / 1e6:.2f} MB an hour if it went on so")
    for name in [f"{n}{part}" for n in NODES for part in ("", "-listener")]:
        m.end(name)
        lived = (m.events(name)[-1]["unix_ms"] - m.events(name)[0]["unix_ms"]) / 1000
        for e in m.events(name):
            if e["event"] == "carrier-totals":
                print(f"    {name:10} {e['carrier']}: {e['bytes_out']} bytes out, {e['bytes_in']} in, {e['sent']} sent, {e['heard']} heard, in {lived:.0f} s")


def host(m, name, number):
    """A namespace with one cable to the switch; what runs a command in it."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    m.running.append((f"{name}-network", holder))
    m.wait_for("the namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
    inside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
    ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
    ip("link", "set", f"to-{name}", "master", "switch", "up")
    for command in ("link set lo up", f"addr add 10.9.0.{number}/24 dev eth0", "link set eth0 up", "route add 224.0.0.0/4 dev eth0"):
        subprocess.run([*inside, "ip", *command.split()], check=True)
    return inside


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def cable(name, state):
    ip("link", "set", f"to-{name}", state)


def publish(m, name, inside, *args):
    """A publisher whose broadcast has not begun: what it announces is what counts here."""
    number = NODES.index(name) + 1
    (m.dir / f"{name}.addr").unlink(missing_ok=True)
    m.start(name, "moq-publish", "--input", "-", "--stream-id", STREAM[name], "--listen", f"10.9.0.{number}:4443", "--state-dir", m.dir / f"{name}-state",
            "--endpoint-addr-out", m.dir / f"{name}.addr", "--announce", "--announce-ttl-ms", ttl_s() * 1000, "--json", *args, stdin=subprocess.PIPE,
            wrapper=inside)
    return m.address(name)


def told(m, name, event, stream=None):
    return [e for e in m.events(f"{name}-listener") if e["event"] == event and stream in (None, e["stream_id"])]


def others(name):
    return [n for n in NODES if n != name]


def found_by_all(m, rounds, seconds=60):
    """Each node's listener was told of each other's stream so many times."""
    m.wait_for("each finds the others' streams", lambda: all(len(told(m, n, "source-found", STREAM[o])) >= rounds for n in NODES for o in others(n)), seconds)


def main():
    binary, carrier = sys.argv[1], sys.argv[2]
    if os.environ.get("EC_E2E_ALONE") != "1":
        if not all(shutil.which(p) for p in ("ip", "unshare", "nsenter")) or \
           subprocess.run(["unshare", "-rn", "ip", "link", "add", "v", "type", "veth"], capture_output=True).returncode != 0:
            print(f"SKIPPED: {sys.argv[0]}: cannot make networks of its own (unshare -rn, ip, veth)")
            sys.exit(mesh.SKIPPED)
        done = subprocess.run(["unshare", "-rn", sys.executable, *sys.argv], env={**os.environ, "EC_E2E_ALONE": "1"})
        sys.exit(done.returncode)
    with mesh.Mesh(binary, f"net-{carrier}") as m:
        ip("link", "set", "lo", "up")
        ip("link", "add", "switch", "type", "bridge")
        ip("link", "set", "switch", "up")
        inside = {n: host(m, n, i) for i, n in enumerate(NODES, 1)}
        if carrier == "directory":
            at = host(m, "d", 10)
            m.start("directory", "directory", "--listen", "10.9.0.10:8080", "--endpoint-addr-out", m.dir / "directory.addr", wrapper=at)
            m.address("directory")
            by = {n: ["--directory", DIRECTORY] for n in NODES}
            hears = by
        elif carrier == "bridge":
            # Nobody knows another's address: all dial one that listens.
            m.start("bridge", "control-bridge", "--listen", "10.9.0.10:4443", "--state-dir", m.dir / "bridge-state", "--endpoint-addr-out", m.dir / "bridge.addr", "--json",
                    wrapper=host(m, "d", 10))
            by = {n: ["--gossip", m.address("bridge")] for n in NODES}
            hears = by
        elif carrier == "mdns":
            by = {n: ["--mdns"] for n in NODES}
            hears = by
        elif carrier == "dht":
            # A private network, joined by the first node's port: each node has a part in it for its stream, and one for what it looks for.
            by = {n: ["--dht-bootstrap", BOOTSTRAP, "--dht-listen", f"10.9.0.{i}:6881"] for i, n in enumerate(NODES, 1)}
            hears = {n: ["--dht-bootstrap", BOOTSTRAP, "--dht-listen", f"10.9.0.{i}:6882", *(a for o in others(n) for a in ("--stream-id", STREAM[o]))]
                     for i, n in enumerate(NODES, 1)}
        else:
            # Their keys are made with their first start, and kept. Each listens to the one before it, in a ring.
            address = {n: publish(m, n, inside[n]) for n in NODES}
            for n in NODES:
                m.end(n)
                (m.dir / f"{n}.out").unlink()
            by = {n: ["--gossip", address[NODES[NODES.index(n) - 1]]] for n in NODES}
            hears = {n: ["--gossip", address[n]] for n in NODES}
        for n in NODES:
            m.start(f"{n}-listener", "control-listen", *hears[n], "--json", wrapper=inside[n])
        for n in NODES:
            publish(m, n, inside[n], *by[n])
        found_by_all(m, 1)
        began = {n: next(e["unix_ms"] for e in m.events(n) if e["event"] == "announced") for n in NODES}
        # From the moment at which both are there: a node that is started later finds what was there before.
        took = {(n, o): told(m, n, "source-found", STREAM[o])[0]["unix_ms"] - max(began[n], began[o]) for n in NODES for o in others(n)}
        print(f"time to discover by {carrier}: {min(took.values())} to {max(took.values())} ms")
        # 5 s are the goal, and what is printed says how it is met; a busy machine may take longer.
        check(max(took.values()) < 20_000, f"each node finds the others' streams by {carrier} alone, after {max(took.values()) / 1000:.1f} s at most")

        if measured_for():
            measure(m, carrier, measured_for())
            return
        cable("c", "down")
        cut = time.monotonic()
        m.wait_for("c is gone for the others, and they for it", lambda: all(told(m, n, "source-gone", STREAM["c"]) for n in ("a", "b")) and
                   all(told(m, "c", "source-gone", STREAM[n]) for n in ("a", "b")))
        check(time.monotonic() - cut > TTL_S / 3, f"who is cut off is gone after its time: {time.monotonic() - cut:.1f} s, of {TTL_S}")
        cable("c", "up")
        back = time.monotonic()
        m.wait_for("all is found again", lambda: all(len(told(m, n, "source-found", STREAM["c"])) >= 2 for n in ("a", "b")) and
                   all(len(told(m, "c", "source-found", STREAM[n])) >= 2 for n in ("a", "b")))
        check(True, f"the partition heals: all is found again {time.monotonic() - back:.1f} s after the cable is back")


if __name__ == "__main__":
    main()
