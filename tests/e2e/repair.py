#!/usr/bin/env python3
"""Two tuners that lose different packets of one station, a leader on each; the first has the second as its second source. Who subscribes to the
first alone, and trusts its key alone, gets every chunk that at least one of the two received whole, but those whose boundary the first lost.
What the first took from the second it says in its manifests, and the subscriber tells it.

usage: repair.py EC_NODE
"""
import signal
import sys

import mesh
from mesh import check

LOSS = "0.0005"
PROFILE = "ts-v1-500ms"
ID = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-kect/profile-" + PROFILE + "/variant-main"


def tune(m, name, seed, *more):
    m.start(f"tuner-{name}", "simulate-tuner", "--codec", "h264", "--callsign", "KECT-DT", "--loss", LOSS, "--seed", seed, "--listen", "127.0.0.1:0",
            "--endpoint-addr-out", m.dir / f"tuner-{name}.addr")
    url = m.address(f"tuner-{name}")
    m.start(name, "moq-publish", "--input", f"{url}/auto/v5.1", "--profile", PROFILE, "--listen", "127.0.0.1:0", "--state-dir", m.dir / f"{name}-state",
            "--endpoint-addr-out", m.dir / f"{name}.addr", "--json", "--publish-manifests", "--key", m.dir / f"{name}.key", *more)
    return m.address(name)


def cut(m, name):
    """What a publisher received of each chunk: whole or not."""
    return {e["chunk"]: not e["damaged"] for e in m.events(name) if e["event"] == "chunk-cut"}


def main():
    with mesh.Mesh(sys.argv[1], "repair") as m:
        keys = {name: m.keygen(name) for name in ("first", "second")}
        second = tune(m, "second", 12)
        m.wait_for("chunks of the second", lambda: cut(m, "second"))
        # A busy machine may be late; nobody waits so long where the other is there.
        first = tune(m, "first", 11, "--second-source", second, "--repair-wait-ms", "5000")
        m.wait_for("the second as a source of the first", lambda: any(e["event"] == "second-source-up" for e in m.events("first")))
        process = m.start("subscriber", "moq-subscribe", "--stream-id", ID, "--json", "--remote", first, "--require-manifest", "--trust", keys["first"],
                          "--patience-ms", "10000", "--hls-dir", m.dir / "hls", "--hls-mode", "event", "--log-level", "info")

        def shown():
            return {e["chunk"]: e for e in m.events("subscriber") if e["event"] == "chunk"}

        def repaired():
            return {e["chunk"]: e for e in m.events("first") if e["event"] == "chunk-repaired"}

        m.wait_for("repaired chunks on the screen", lambda: len(shown()) >= 16 and len([i for i in repaired() if i in shown()]) >= 3, 150)
        # What is still being repaired when the subscriber is told to end is nobody's fault.
        most = max(shown())
        process.send_signal(signal.SIGTERM)
        check(process.wait(timeout=60) == 0, "the subscriber ended in order")

        a, b, seen, mended = cut(m, "first"), cut(m, "second"), shown(), repaired()
        least = min(seen)
        refused = {e["chunk"]: e["reason"] for e in m.events("first") if e["event"] == "repair-refused"}
        busy = any(e["event"] == "edge-lost" for name in ("first", "second") for e in m.events(name))
        somebody = [i for i in range(least, most + 1) if a.get(i) or (b.get(i) and i in a)]
        missing = [i for i in somebody if i not in seen or seen[i]["damaged"] or not seen[i]["verified"]]
        alone = sum(1 for i in somebody if a.get(i))
        # A random access point that the first lost is a boundary that it cannot know, and a slow machine may be late: none is missing untold.
        # How many there may be of each is for the tests in virtual time.
        untold = [] if busy else [i for i in missing if refused.get(i) not in ("boundary", "late", "busy")]
        reasons = [refused.get(i) for i in missing]
        check(not untold, f"of {len(somebody)} chunks that one of them had whole all but {reasons} were shown whole and verified; "
              f"the first received {alone} of them; untold: {untold}")
        check(alone < len(somebody) - len(missing), "the first alone had fewer")
        check(all(seen[i]["signer"] == keys["first"] for i in seen), "the first signed each of them")
        told = [i for i in mended if i in seen]
        check(all(seen[i].get("repaired_packets") == mended[i]["packets"] and seen[i].get("repaired_of") == mended[i]["of"] for i in told),
              f"what was on trust of the {len(told)} repaired ones is told by the subscriber: {[(mended[i]['packets'], mended[i]['of']) for i in told]}")
        check(not any("repaired_packets" in e for i, e in seen.items() if i not in mended), "and of no others")
        check(all(e["packets"] * 20 <= e["of"] for e in mended.values()), "never more than 5 % of a chunk")
        lies = [e for e in m.events("first") if e["event"] == "copy-refused" and e["reason"] not in ("boundary", "share")]
        check(not lies, "no honest copy was called a lie")
        # The second signed the same chunks by itself: one digest for both.
        said = {e["chunk"]: e["manifest"] for e in m.events("second") if e["event"] == "signed" and e["whole"]}
        mine = {e["chunk"]: e["manifest"] for e in m.events("first") if e["event"] == "signed" and e["repaired"]}
        pairs = [(mine[i], said[i]) for i in mine if i in said]
        check(pairs and all(x == y for x, y in pairs), f"the manifests of {len(pairs)} repaired chunks are those of who received them")


if __name__ == "__main__":
    main()
