#!/usr/bin/env python3
"""A subscriber that was away follows its signer's chain from what it last knew: what was attested in between and did not come is a gap,
with both attestations in a file that anybody can check; what comes without a gap is none.

usage: away.py EC_NODE
"""
import sys

import mesh
from mesh import check

MISSED = 8  # chunks: more than a late joiner takes of what was before


def main():
    with mesh.Mesh(sys.argv[1], "away") as m:
        url = f"{m.tuner('--speed', '4')}/auto/v5.1"
        key = m.keygen("leader")
        leader = m.publisher("leader", url, "--publish-manifests", "--key", m.dir / "leader.key")
        evidence = m.dir / "evidence"
        args = ["moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--remote", leader, "--require-manifest", "--trust", key, "--evidence-dir",
                evidence, "--log-level", "info"]

        def run(event, what):
            before = len(m.events("subscriber")) if (m.dir / "subscriber.out").exists() else 0
            m.start("subscriber", *args)
            new = lambda event: [e for e in m.events("subscriber")[before:] if e["event"] == event]
            found = m.wait_for(what, lambda: new(event))
            chunks = [e["chunk"] for e in m.wait_for("a chunk", lambda: new("chunk"))]
            m.end("subscriber")
            return found, chunks

        found, first = run("chunk", "a chunk")
        signed = lambda: int((m.dir / "leader.out").read_text().count(" manifests signed"))
        then = signed()
        m.wait_for("what the subscriber misses", lambda: signed() >= then + MISSED)
        check(not list(evidence.iterdir()), "as long as it was there nothing was missing")
        found, second = run("evidence-kept", "the gap")
        check(found[0]["evidence"] == "gap" and found[0]["signer"] == key, "after its absence it says what is missing of the chain")
        shown = m.run("verify", *evidence.iterdir())
        print(shown.stdout)
        check(shown.returncode == 0 and "proven: both are signed by this key" in shown.stdout, "and ec-node verify explains it")
        check(min(second) > max(first), "while it shows what comes")


if __name__ == "__main__":
    main()
