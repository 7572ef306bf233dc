#!/usr/bin/env python3
"""A leader that dials a relay, as from behind a home router: a subscriber that knows the relay alone writes verified HLS, and goes on when the
relay is restarted, or killed, and comes back at its address: the leader offers its stream there again. A relay that requires manifests passes on
nothing of a liar who was there first under the stream's name.

usage: dial_out.py EC_NODE restarted | killed | liar
"""
import sys

import mesh
from mesh import check


def with_a_liar(m):
    key = m.keygen("leader")
    m.keygen("liar")
    secret = m.dir / "liar.secret"
    secret.write_text("not the secret of this stream")
    secret.chmod(0o600)
    m.start("relay", "relay", "--listen", "127.0.0.1:0", "--state-dir", m.dir / "relay-state", "--endpoint-addr-out", m.dir / "relay.addr", "--json",
            "--require-manifest", "--trust-signer", key)
    relay = m.address("relay")
    source = f"{m.tuner()}/auto/v5.1"
    told = lambda event: [e for e in m.events("relay") if e["event"] == event]
    m.publisher("liar", source, "--publish-manifests", "--key", m.dir / "liar.key", "--network-secret-file", secret, "--relay", relay, "--json")
    m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--remote", relay, "--require-manifest", "--trust", key)
    m.wait_for("the relay sees through the liar", lambda: told("relay-false"))
    m.publisher("leader", source, "--publish-manifests", "--key", m.dir / "leader.key", "--relay", relay, "--json")
    segments = lambda: [e for e in m.events("subscriber") if e["event"] == "segment"]
    m.wait_for("segments", lambda: len(segments()) >= 2)
    for name in ("subscriber", "leader", "liar", "relay"):
        m.end(name)
    check(all(e["verified"] for e in segments()) and not [e for e in m.events("subscriber") if e["event"] == "rejected"],
          "the subscriber had the leader's chunks, and nothing that it had to refuse")
    totals = told("relay-totals")
    check(len(totals) == 1 and totals[0]["objects_false"] > 0 and "conflicts" not in totals[0], f"the relay counted what it refused: {totals}")
    verified = m.run("verify", m.dir / "hls", "--trust", key)
    check(verified.returncode == 0, "all that was written is right")


def main():
    binary, case = sys.argv[1], sys.argv[2]
    if case == "liar":
        with mesh.Mesh(binary, "dial-out-liar") as m:
            return with_a_liar(m)
    with mesh.Mesh(binary, f"dial-out-{case}") as m:
        key = m.keygen("leader")

        def relay(listen):
            m.start("relay", "relay", "--listen", listen, "--state-dir", m.dir / "relay-state", "--endpoint-addr-out", m.dir / "relay.addr", "--json", "--log-level", "info")
            return m.address("relay")

        url = relay("127.0.0.1:0")
        place = url.split("//")[1].split("#")[0]
        pin = url.split("#")[1]
        # The name is one that only the relay's certificate could know; the address says where it is.
        m.publisher("leader", f"{m.tuner()}/auto/v5.1", "--publish-manifests", "--key", m.dir / "leader.key", "--relay", f"moqt://relay.example:4443#{pin}",
                    "--connect-to", place, "--json")
        count = lambda name, event: len([e for e in m.events(name) if e["event"] == event])
        m.wait_for("the relay has the offer", lambda: count("leader", "uplink-offered") == 1)
        m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--log-level", "info", "--remote", url,
                "--require-manifest", "--trust", key)
        m.wait_for("segments", lambda: count("subscriber", "segment") >= 2)
        check(all(e["verified"] for e in m.events("subscriber") if e["event"] == "chunk"), "who knows the relay alone shows the leader's chunks, verified")

        if case == "killed":
            m.process("relay").kill()
            m.process("relay").wait()
            (m.dir / "relay.addr").unlink()
        else:
            m.end("relay")
            m.wait_for("the leader notices", lambda: count("leader", "uplink-down") == 1)
        shown = count("subscriber", "segment")
        check(relay(place) == url, "the relay is back, with its key")
        m.wait_for("the stream is offered again", lambda: count("leader", "uplink-offered") == 2)
        m.wait_for("segments go on", lambda: count("subscriber", "segment") >= shown + 2)
        m.end("subscriber")
        m.end("leader")
        verified = m.run("verify", m.dir / "hls", "--trust", key)
        check(verified.returncode == 0, f"all that was written is right: {verified.stdout.strip().splitlines()[-1:]}")
        totals = [e for e in m.events("leader") if e["event"] == "uplink-totals"]
        check(len(totals) == 1 and totals[0]["sessions"] == 2 and totals[0]["offered"] == 2 and totals[0]["relay"] == "relay.example:4443", f"the leader counted it: {totals}")


if __name__ == "__main__":
    main()
