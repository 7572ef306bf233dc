#!/usr/bin/env python3
"""A station restarts its encoder ten minutes back. One leader saw it; another is started after it and, left alone, would count one quantum of the
broadcast clock less. It has the first one as a second source, and believes its signer: from its first chunk on it counts as that one does.
A third one knows the first by gossip alone, and believes nobody: it counts otherwise, and both say so. A publisher that signs nothing, and knows
the first by gossip too, counts as the signer that it trusts.

usage: clock_adopted.py EC_NODE
"""
import sys

import mesh
from mesh import check


def main():
    with mesh.Mesh(sys.argv[1], "clock-adopted") as m:
        keys = {name: m.keygen(name) for name in ("first", "late", "alone")}
        tuner = f"{m.tuner('--codec', 'h264', '--fault', 'encoder-restart@10s')}/auto/v5.1"

        def leader(name, *args):
            return m.publisher(name, tuner, "--publish-manifests", "--key", m.dir / f"{name}.key", "--json", *args)

        def events(name, event):
            return [e for e in m.events(name) if e["event"] == event]

        def whole(name):
            return [e["chunk"] for e in events(name, "chunk-cut") if not e["damaged"]]
        first = leader("first", "--announce")
        m.wait_for("the restart", lambda: events("first", "clock-jump"))
        begun = len(whole("first"))
        m.wait_for("chunks after it", lambda: len(whole("first")) > begun + 1)
        leader("late", "--second-source", first, "--trust-signer", keys["first"])
        leader("alone", "--announce", "--gossip", first)
        m.publisher("unsigned", tuner, "--announce", "--gossip", first, "--trust-signer", keys["first"], "--json")
        told = m.wait_for("the count is taken", lambda: events("late", "clock-adopted"))[0]
        check(told["signer"] == keys["first"], "who came after the restart counts on as the one that it believes")
        m.wait_for("the same chunks", lambda: len(set(whole("late")) & set(whole("first"))) >= 3)
        check(True, "both have the same chunks under the same numbers")
        check(whole("late") == sorted(set(whole("late"))) and not events("late", "not-signed"), "and no number was given twice")
        m.wait_for("the same chunks, unsigned", lambda: len(set(whole("unsigned")) & set(whole("first"))) >= 2)
        check(bool(events("unsigned", "clock-adopted")), "who signs nothing counts so too")
        other = m.wait_for("the difference is told", lambda: events("alone", "clock-differs"))[0]
        check(other["signer"] == keys["first"] and not other["trusted"] and other["theirs"] > other["chunk"], f"who believes nobody says so: {other['chunk']} here, {other['theirs']} there")
        check(not set(whole("alone")) & set(whole("first")) and not events("alone", "clock-adopted"), "and keeps its own count")
        check(len(events("alone", "clock-differs")) == 1, "once")
        back = m.wait_for("the first one tells it too", lambda: events("first", "clock-differs"))[0]
        check(back["signer"] == keys["alone"] and back["theirs"] < back["chunk"], "who is ahead says it too")


if __name__ == "__main__":
    main()
