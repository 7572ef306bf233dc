#!/usr/bin/env python3
"""Two tuners that were started apart and lose different packets of one station, a leader on each: both give one stream id, one group id and
one manifest for every chunk that both have whole. A subscriber of both shows every chunk that at least one of them received whole,
verified, and says what each of them gave.

usage: several_sources.py EC_NODE
"""
import signal
import sys

import mesh
from mesh import check

# 900 packets of the program in a chunk: about two of three are whole at each receiver.
LOSS = "0.0005"
PROFILE = "ts-v1-500ms"
ID = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-kect/profile-" + PROFILE + "/variant-main"


def tune(m, name, seed):
    m.start(f"tuner-{name}", "simulate-tuner", "--codec", "h264", "--callsign", "KECT-DT", "--loss", LOSS, "--seed", seed, "--listen", "127.0.0.1:0",
            "--endpoint-addr-out", m.dir / f"tuner-{name}.addr")
    url = m.address(f"tuner-{name}")
    m.start(name, "moq-publish", "--input", f"{url}/auto/v5.1", "--profile", PROFILE, "--listen", "127.0.0.1:0", "--state-dir", m.dir / f"{name}-state",
            "--endpoint-addr-out", m.dir / f"{name}.addr", "--json", "--publish-manifests", "--key", m.dir / f"{name}.key")
    return m.address(name)


def cut(m, name):
    """What a publisher made of each chunk: whole or not. Nothing where it lost some of its own to a machine that is too busy."""
    events = m.events(name)
    if any(e["event"] in ("edge-lost", "branch-down") for e in events):
        return {}
    return {e["chunk"]: not e["damaged"] for e in events if e["event"] == "chunk-cut"}


def main():
    with mesh.Mesh(sys.argv[1], "several-sources") as m:
        keys = {name: m.keygen(name) for name in ("first", "second")}
        first = tune(m, "first", 11)
        # The second tuner is started when the first has been on the air for a while.
        m.wait_for("chunks of the first", lambda: len(cut(m, "first")) >= 6)
        second = tune(m, "second", 12)
        m.wait_for("chunks of the second", lambda: cut(m, "second"))
        process = m.start("subscriber", "moq-subscribe", "--stream-id", ID, "--json", "--remote", first, "--remote", second, "--require-manifest",
                          "--trust", keys["first"], "--trust", keys["second"], "--patience-ms", "10000", "--log-level", "info")

        def shown():
            return {e["chunk"]: e for e in m.events("subscriber") if e["event"] == "chunk"}

        def enough():
            a, b, seen = cut(m, "first"), cut(m, "second"), shown()
            kinds = [(a[i], b[i]) for i in seen if i in a and i in b]
            return len(kinds) >= 16 and kinds.count((True, True)) >= 4 and (True, False) in kinds and (False, True) in kinds
        m.wait_for("chunks whole at both, and at each alone", enough, 150)
        for name in ("first", "second"):
            named = next(e for e in m.events(name) if e["event"] == "stream-named")
            check((named["stream_id"], named["rule"]) == (ID, "broadcast"), f"the {name} named its stream by what is on the air")
        process.send_signal(signal.SIGTERM)
        check(process.wait(timeout=60) == 0, "the subscriber ended in order")

        a, b, seen = cut(m, "first"), cut(m, "second"), shown()
        both = [i for i in a if a[i] and b.get(i)]
        said = {name: {e["chunk"]: e["manifest"] for e in m.events(name) if e["event"] == "signed" and e["whole"]} for name in keys}
        pairs = [(said["first"][i], said["second"][i]) for i in both if i in said["first"] and i in said["second"]]
        check(len(pairs) >= 3 and all(x == y for x, y in pairs), f"both signed one manifest for each of the {len(pairs)} chunks that both have whole")
        least, most = min(seen), max(seen)
        somebody = [i for i in range(least, most + 1) if a.get(i) or b.get(i)]
        missing = [i for i in somebody if i not in seen or seen[i]["damaged"] or not seen[i]["verified"]]
        check(not missing, f"all {len(somebody)} chunks that one of them had whole were shown whole and verified ({most - least + 1} in all)")
        alone = {name: sum(1 for i in somebody if whole.get(i)) for name, whole in (("first", a), ("second", b))}
        check(max(alone.values()) < len(somebody), f"neither had as many: {alone}")

        sources = [e for e in m.events("subscriber") if e["event"] == "source-totals"]
        check(len(sources) == 2 and all(s["chunks_same"] > 0 and s["chunks_other"] == 0 for s in sources),
              f"each source's share is told, and no chunk is another's: {[(s['chunks_same'], s['chunks_missed']) for s in sources]}")
        totals = mesh.totals(m.events("subscriber"))
        # The later of two copies may still have been on its way at the end.
        check(1 <= totals.get("chunks_corroborated", 0) <= len(both) and totals.get("objects_conflicting", 0) == 0,
              f"{totals.get('chunks_corroborated')} chunks were given by both alike, and no object differs")


if __name__ == "__main__":
    main()
