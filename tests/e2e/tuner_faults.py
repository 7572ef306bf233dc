#!/usr/bin/env python3
"""Faults of the tuner, of its signal and of its station, in a mesh of real processes: each is marked, counted and over, and HLS goes on.

usage: tuner_faults.py EC_NODE connection | device | reboot | signal | station | restart
"""
import sys

import mesh
from mesh import check

SPEED = 4  # the broadcast runs so many times faster than the clock; the times of faults are the broadcast's


def text_of(event):
    return event.get("reason", "") + event.get("text", "") + (f" kind={event['kind']}" if "kind" in event else "")


# Fault, and what the leader says of it: the event and a part of its text (any of these); whether the playlist may have a discontinuity for it.
GROUPS = {
    "connection": [
        # The waits between attempts double each time: what is refused is refused for longer than the next one.
        ("stall@14s:3s", ("chunk-cut", "continuity", "stream-check", "neighbour-loss"), True),
        ("reset@26s", ("branch-down", "the connection broke"), True),
        ("http-503@36s:5s", ("branch-down", "says no more than 503"), True),
        ("content-type@54s:12s", ("branch-down", "text/html"), True),
    ],
    "device": [
        ("busy@14s:6s", ("input-fault", "kind=busy", "805"), True),
        ("no-signal@30s:12s", ("input-fault", "kind=no-signal", "807"), True),
    ],
    "reboot": [
        ("reboot@14s:4s", ("input-fault", "not reachable"), True),
        # Asked for again after ten seconds.
        ("unknown-channel@28s:12s", ("input-fault", "kind=unknown-channel"), True),
    ],
    "signal": [
        ("garbage@14s", ("resync", "skipped_bytes"), True),
        ("fade@26s:4s", ("chunk-cut", "continuity", "transport-error", "uncertain-boundary"), True),
    ],
    "station": [
        ("pmt-version@14s", ("pmt-version", "is what it was"), False),
        ("pids@24s", ("program-changed", "program="), True),
        ("stt-wrong@34s", ("station-clock", "step_ms=1"), False),
        ("pts-wrap@44s", None, False),
    ],
    "restart": [
        ("encoder-restart@14s", ("clock-jump", "era=1"), True),
        ("encoder-restart@28s:9s", ("clock-jump", "era=2"), True),
    ],
}


def main():
    binary, group = sys.argv[1], sys.argv[2]
    faults = GROUPS[group]
    with mesh.Mesh(binary, f"tuner-{group}") as m:
        signer = m.keygen("leader")
        plan = [part for fault, _, _ in faults for part in ("--fault", fault)]
        tuner = m.tuner("--codec", "h264", "--speed", SPEED, "--log-level", "info", *plan)
        address = m.publisher("leader", f"{tuner}/auto/v5.1", "--publish-manifests", "--key", m.dir / "leader.key", "--json")
        m.start("subscriber", "moq-subscribe", "--remote", address, "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--require-manifest",
                "--trust", signer, "--hls-mode", "event", "--log-level", "info")

        def played(fault):
            name, rest = fault.split("@")
            return f"fault={name}@{rest.split(':')[0]}" in (m.dir / "tuner.log").read_text()

        def comes(fact, what):
            check(m.wait_for(what, fact), what)

        for fault, says, _ in faults:
            comes(lambda: played(fault), f"the tuner plays {fault}")
            seen = len(m.segments())
            if says:
                comes(lambda: any(e["event"] == says[0] and any(w in text_of(e) for w in says[1:]) for e in m.events("leader")),
                          f"{fault}: the leader says {says[0]}: {' or '.join(says[1:])}")
            comes(lambda: len(m.segments()) >= seen + 3, f"{fault}: HLS goes on")
        m.end("subscriber")

        events = m.events("subscriber")
        taken = [e for e in events if e["event"] == "chunk"]
        check(taken and all(e["verified"] for e in taken), f"all {len(taken)} chunks that were taken were verified")
        check(not any(e["event"] == "rejected" for e in events), "nothing was rejected")
        indices = [e["chunk"] for e in taken]
        check(indices == sorted(set(indices)), "group ids rise")
        playlist = (m.dir / "hls" / "index.m3u8").read_text()
        breaks = playlist.count("#EXT-X-DISCONTINUITY\n")
        allowed = sum(1 for _, _, marked in faults if marked)
        check(breaks <= allowed, f"{breaks} discontinuities in {len(taken)} segments, {allowed} faults that may make one")
        damaged = [e for e in m.events("leader") if e["event"] == "chunk-cut" and e["damaged"]]
        print(f"figure: {group}: {len(faults)} faults, {len(damaged)} chunks damaged at the leader, {breaks} discontinuities")
        verified = m.run("verify", m.dir / "hls", "--trust", signer)
        check(verified.returncode == 0, f"ec-node verify finds it right: {verified.stdout.strip().splitlines()[-1:]}{verified.stderr.strip()}")
        mesh.judged(m.dir / "hls", "parser")


if __name__ == "__main__":
    main()
