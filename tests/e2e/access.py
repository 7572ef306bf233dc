#!/usr/bin/env python3
"""A relay with a key, from the command line: who shows a token that the key signed publishes and subscribes what it names; who shows none does
not, and the relay tells who was refused, never a token.

usage: access.py EC_NODE
"""
import os
import sys

import mesh
from mesh import check


def main():
    with mesh.Mesh(sys.argv[1], "access") as m:
        def token(name, *allows):
            made = m.run("token", "make", "--key", m.dir / "access.jwk", "--subject", name, *allows)
            check(made.returncode == 0, f"a token for {name}: {made.stderr.strip()}")
            path = m.dir / f"{name}.token"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
                out.write(made.stdout)
            return path

        check(m.run("token", "key", "--alg", "ES256", "--out", m.dir / "access.jwk").returncode == 0, "a key")
        publishes = token("roof", "--publish", "ec", "--expires", "1h")
        subscribes = token("viewer", "--subscribe", "ec/stream", "--expires", "1h")
        explained = m.run("token", "explain", publishes.read_text().strip(), "--key", m.dir / "access.jwk.pub")
        check(explained.returncode == 0 and "publish    ec\n" in explained.stdout and "right " in explained.stdout, "which explain finds right")

        m.start("relay", "relay", "--listen", "127.0.0.1:0", "--state-dir", m.dir / "relay-state", "--endpoint-addr-out", m.dir / "relay.addr", "--json",
                "--token-key", m.dir / "access.jwk.pub", "--log-level", "info")
        relay = m.address("relay")
        refused = lambda who: [e for e in m.events("relay") if e["event"] == "access-refused" and e["who"].startswith(who)]
        key = m.keygen("leader")
        source = f"{m.tuner()}/auto/v5.1"
        signing = ("--publish-manifests", "--key", m.dir / "leader.key", "--json", "--relay", relay)
        m.publisher("stranger", source, *signing)
        m.wait_for("a stranger is refused", lambda: [e for e in m.events("stranger") if e["event"] == "uplink-refused" and e["code"] == 1])
        check(all(e["what"] == "request" for e in refused("anonymous")) and refused("anonymous"), "and the relay tells it")
        m.end("stranger")
        m.publisher("leader", source, *signing, "--token-file", publishes)
        m.wait_for("the leader's offer is taken", lambda: [e for e in m.events("leader") if e["event"] == "uplink-offered"])
        m.start("viewer", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--remote", relay, "--require-manifest", "--trust", key,
                "--token-file", subscribes)
        m.wait_for("the viewer's segments", lambda: len([e for e in m.events("viewer") if e["event"] == "segment" and e["verified"]]) >= 1)
        m.start("thief", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "thief-hls", "--remote", relay, "--trust", key, "--token-file", publishes)
        m.wait_for("who may publish only does not subscribe", lambda: refused("roof"))
        for name in ("thief", "viewer", "leader", "relay"):
            m.end(name)
        check(not [e for e in m.events("thief") if e["event"] == "segment"], "and got nothing")
        totals = [e for e in m.events("relay") if e["event"] == "relay-totals"]
        check(len(totals) == 1 and totals[0]["admitted"] >= 3 and totals[0]["requests_refused"] >= 2, f"the relay counted: {totals}")
        said = (m.dir / "relay.out").read_text() + (m.dir / "relay.log").read_text()
        check(all(t.read_text().strip() not in said for t in (publishes, subscribes)), "and no token stands in what it said")


if __name__ == "__main__":
    main()
