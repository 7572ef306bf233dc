#!/usr/bin/env python3
"""Kill -9 of each process in turn, at random moments, and its restart, while the others run: HLS goes on by itself, with at most
one break each; numbers, keys, attestation sequence and chain survive.

usage: kill_restart.py EC_NODE [KILLS [SEED]]      each victim KILLS times (1); the long run: 25
"""
import collections
import json
import os
import random
import signal
import sys
import time

import mesh
from mesh import check

VICTIMS = ["relay", "leader", "subscriber", "tuner"]


class Town(mesh.Mesh):
    """A mesh whose processes can be killed and started again as they were."""

    def begin(self, name, *args):
        """Starts it on a free port; from then on it is started on the same one."""
        self.how[name] = args
        self.living[name] = self.start(name, *args)

    def __init__(self, *args):
        super().__init__(*args)
        self.how, self.living = {}, {}

    def served(self, name):
        """The address of a process that serves; its next start takes the same port."""
        address = self.address(name)
        port = address.split("#")[0].rsplit(":", 1)[1].rstrip("/")
        self.how[name] = ["127.0.0.1:" + port if a == "127.0.0.1:0" else a for a in self.how[name]]
        return address

    def kill(self, name):
        process = self.living[name]
        check(process.poll() is None, f"{name} ran until it was killed")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove((name, process))
        (self.dir / f"{name}.addr").unlink(missing_ok=True)

    def again(self, name):
        self.living[name] = self.start(name, *self.how[name])

    def breaks(self):
        playlist = self.dir / "hls" / "index.m3u8"
        return playlist.read_text().splitlines().count("#EXT-X-DISCONTINUITY") if playlist.exists() else 0

    def end(self, name):
        self.living[name].send_signal(signal.SIGTERM)
        check(self.living[name].wait(timeout=60) == 0, f"{name} ended with 0 after SIGTERM")


def publish(m, name, url, *args):
    m.begin(name, "moq-publish", "--input", url, "--stream-id", mesh.STREAM, "--listen", "127.0.0.1:0", "--state-dir", m.dir / f"{name}-state",
            "--endpoint-addr-out", m.dir / f"{name}.addr", "--log-level", "info", "--json", *args)
    return m.served(name)


def subscribe(m, name, leader, relay, signer, *args):
    m.begin(name, "moq-subscribe", "--stream-id", mesh.STREAM, "--remote-manifests", leader, "--remote", relay, "--require-manifest",
            "--trust", signer, "--json", "--log-level", "info", *args)


def main():
    binary = sys.argv[1]
    kills = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else 1
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    moment = random.Random(seed)
    with Town(binary, "kill") as m:
        signer = m.keygen("leader")
        m.begin("tuner", "simulate-tuner", "--listen", "127.0.0.1:0", "--endpoint-addr-out", m.dir / "tuner.addr")
        url = f"{m.served('tuner')}/auto/v5.1"
        leader = publish(m, "leader", url, "--publish-manifests", "--publish-chunks=false", "--key", m.dir / "leader.key")
        relay = publish(m, "relay", url)
        subscribe(m, "subscriber", leader, relay, signer, "--hls-dir", m.dir / "hls", "--hls-mode", "event")
        # One that is never killed hears all that the leader signs before and after each of its deaths.
        subscribe(m, "witness", leader, relay, signer, "--objects-out", m.dir / "objects")
        m.wait_for("two segments", lambda: len(m.segments()) >= 2)

        worst, lost = collections.defaultdict(float), collections.Counter()
        for turn in range(kills * len(VICTIMS)):
            name = VICTIMS[turn % len(VICTIMS)]
            time.sleep(moment.uniform(0, 2.2))  # any moment of a chunk: that is the point
            segments, breaks, at = len(m.segments()), m.breaks(), time.monotonic()
            m.kill(name)
            time.sleep(moment.uniform(0, 1.0))
            m.again(name)
            if name not in ("subscriber", "tuner"):
                check(m.address(name) == {"leader": leader, "relay": relay}[name], f"{name} is back under its address and key")
            m.wait_for(f"HLS goes on after {name} was killed", lambda: len(m.segments()) >= segments + 1)
            worst[name] = max(worst[name], time.monotonic() - at)
            m.wait_for(f"HLS flows after {name} was killed", lambda: len(m.segments()) >= segments + 2)
            check(m.breaks() - breaks <= 1, f"kill {turn + 1}, {name}: HLS went on by itself after {time.monotonic() - at:.1f} s, with at most one break")

        for name in ("subscriber", "witness", "relay", "leader", "tuner"):
            m.end(name)
        # A writer that died between its line and its playlist leaves a number that the next one uses again: the later line counts.
        lines = [json.loads(line) for line in (m.dir / "hls" / "segments.jsonl").read_text().splitlines()]
        listed = [s for _, s in sorted({s["sequence"]: s for s in lines}.items())]
        check([s["sequence"] for s in listed] == list(range(len(listed))), f"{len(listed)} segments, numbered without a gap")
        check(all(a["index"] < b["index"] for a, b in zip(listed, listed[1:])), "chunk indices rise")
        check(all(s["verified"] for s in listed), "every segment was verified")
        proven = m.run("verify", m.dir / "hls", "--trust", signer)
        check(proven.returncode == 0, f"ec-node verify proves them: {proven.stdout.strip().splitlines()[:1]}{proven.stderr.strip()}")
        objects = m.run("verify", m.dir / "objects", "--trust", signer)
        check(objects.returncode == 0, "and the objects of the witness")
        said = mesh.totals(m.events("witness"))
        for wrong in ("equivocations", "forks", "rollbacks", "chains_restarted", "refused_fork", "refused_equivocation", "refused_rollback"):
            check(said.get(wrong, 0) == 0, f"the witness counted no {wrong}")
        check(not any(e["event"] in ("equivocation", "signer-chain-restarted") for e in m.events("witness")), "and reported none")
        gone = listed[-1]["index"] - listed[0]["index"] + 1 - len(listed)
        print(f"kills {kills * len(VICTIMS)}, survived {kills * len(VICTIMS)}; {gone} chunks not shown, {m.breaks()} breaks; worst wait for the next segment, s: "
              + ", ".join(f"{name} {worst[name]:.1f}" for name in VICTIMS) + f"; manifests heard {said.get('manifests_accepted')}")


if __name__ == "__main__":
    main()
