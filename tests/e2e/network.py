#!/usr/bin/env python3
"""A subscriber behind bad networks: loss, delay, jitter that reorders, a bottleneck, a blackout, an address that changes. HLS goes on
by itself through each of them, and no chunk is lost that a source still has.

usage: network.py EC_NODE [SECONDS_OF_EACH [SEED]]      what must come, comes: the test
       network.py EC_NODE --stalls [SECONDS_OF_EACH]    and no later than the bounds: the benchmark, for a machine that does nothing else

The broadcast runs at twice its pace: 19.3 Mbit/s of chunks, one each second.
"""
import json
import random
import subprocess
import sys
import time

import mesh
from mesh import check

CHUNK_S = 1.001  # at twice the pace
RATE = 19.4e6
# Between the subscriber and either of its peers, each way; the bound on a stall, seconds.
BASE = "set delay_ms=50"  # all of it at a round trip of 100 ms
NETWORKS = [
    ("round trip of 100 ms", "", 2 * CHUNK_S),
    ("loss of 1 %", "loss=0.01", 2 * CHUNK_S),
    ("loss of 5 %", "loss=0.05", 2 * CHUNK_S),
    ("jitter of 50 ms, reordered", "jitter_ms=50", 2 * CHUNK_S),
    ("bottleneck at 1.2 of the rate", f"rate={1.2 * RATE:.0f}", 2 * CHUNK_S),
    ("address change", "move", 2 * CHUNK_S),
    # Two chunks at the broadcast's own pace.
    ("blackout of 3 s", "dark 3", 4.0),
]


def link(m, name, address, seed):
    """A link in front of an address; the process that takes its orders, and the address behind it."""
    scheme, rest = address.split("://")
    host, spki = rest.split("#")
    file = m.dir / f"{name}.link"
    process = m.start(name, mesh.HERE / "link.py", host.rsplit(":", 1)[1].rstrip("/"), file, seed, program=sys.executable, stdin=subprocess.PIPE)
    m.wait_for(f"{name} is up", file.exists)
    return process, f"{scheme}://127.0.0.1:{file.read_text()}#{spki}"


def tell(links, order):
    for process in links:
        process.stdin.write((order + "\n").encode())
        process.stdin.flush()


def main():
    binary, *rest = sys.argv[1:]
    stalls = "--stalls" in rest
    rest = [x for x in rest if x not in ("--stalls", "")]
    seconds = float(rest[0]) if rest else 2
    seed = int(rest[1]) if len(rest) > 1 else 1
    order = random.Random(seed)
    with mesh.Mesh(binary, "network") as m:
        signer = m.keygen("leader")
        url = f"{m.tuner('--speed', '2')}/auto/v5.1"
        to_leader, leader = link(m, "link-leader", m.leader(url, "leader", "--json"), order.randrange(1 << 30))
        to_relay, relay = link(m, "link-relay", m.publisher("relay", url, "--json"), order.randrange(1 << 30))
        tell((to_leader, to_relay), BASE)
        subscriber = m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--hls-mode", "event",
                             "--log-level", "info", "--remote-manifests", leader, "--remote", relay, "--require-manifest", "--trust", signer,
                             # Nothing may be given up because the machine is slow.
                             "--patience-ms", "30000")

        def segments():
            return [(e["chunk"], e["on_disk_unix_us"] / 1e6) for e in m.events("subscriber") if e["event"] == "segment"]
        m.wait_for("two segments", lambda: len(segments()) >= 2)
        phases = []
        for name, what, bound in NETWORKS:
            tell((to_leader, to_relay), f"{BASE} {what}" if "=" in what else what)
            phases.append((name, time.time(), bound))
            time.sleep(seconds + (3 if what.startswith("dark") else 0))
            tell((to_leader, to_relay), BASE)
            before = len(segments())
            m.wait_for(f"{name}: segments come again", lambda: len(segments()) > before)
            print(f"ok: {name}: HLS goes on")
            time.sleep(2 * CHUNK_S if stalls else 0)
        phases.append(("end", time.time(), 0))
        tell((to_leader, to_relay), "stats")
        final = segments()
        subscriber.terminate()
        check(subscriber.wait(timeout=60) == 0, "the subscriber ended with 0 after SIGTERM")

        # How far behind the broadcast each segment was, beside the best of them: a viewer's buffer has to hold that much.
        lag = [(at, at - chunk * CHUNK_S) for chunk, at in final]
        best = min(x for _, x in lag)
        for (name, begins, bound), (_, ends, _) in zip(phases, phases[1:]):
            print(f"{name}: " + " ".join(f"{chunk - final[0][0]}:{at - chunk * CHUNK_S - best:.2f}" for chunk, at in final if begins <= at < ends))
        for (name, begins, bound), (_, ends, _) in zip(phases, phases[1:]):
            within = [x - best for at, x in lag if begins <= at < ends]
            if stalls:
                check(within and max(within) <= bound, f"{name}: no stall over {bound:.1f} s: {len(within)} segments, the worst {max(within, default=0):.2f} s behind")
        indices = [chunk for chunk, _ in final]
        check(indices == list(range(indices[0], indices[-1] + 1)), f"all {len(indices)} chunks came, none was lost")
        check(m.run("verify", m.dir / "hls", "--trust", signer).returncode == 0, "ec-node verify proves them")
        for name in ("link-leader", "link-relay"):
            counts = m.events(name)[-1]
            check(counts["lost"] > 0, f"{name}: {counts}")
        print(json.dumps({k: v for k, v in mesh.totals(m.events('subscriber')).items() if k != 'event'}))


if __name__ == "__main__":
    main()
