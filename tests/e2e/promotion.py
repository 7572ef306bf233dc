#!/usr/bin/env python3
"""A leader that knows nothing of what it reads (standard input) names its stream by its source, learns from the air what it is, and from then on
publishes under both names: who subscribed to the weak one goes on, and who knows the broadcast by its own name takes the leader's manifests and
the objects of another node, which was called so from the start. Both announce it: a directory shows one stream with two sources.

usage: promotion.py EC_NODE
"""
import json
import signal
import subprocess
import sys
import threading
import urllib.request

import mesh
from mesh import check

NAMED = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-kect/profile-ts-v1/variant-main"


def pour(url, process):
    """The tuner's stream into a process, as a pipe would."""
    try:
        with urllib.request.urlopen(url) as stream:
            while part := stream.read(65_536):
                process.stdin.write(part)
                process.stdin.flush()
    except (OSError, ValueError):
        pass  # one of them has ended


def subscribe(m, name, stream, *args):
    return m.start(name, "moq-subscribe", "--stream-id", stream, "--json", "--require-manifest", "--patience-ms", "10000", "--log-level", "info", *args)


def main():
    with mesh.Mesh(sys.argv[1], "promotion") as m:
        key = m.keygen("leader")
        m.start("directory", "directory", "--listen", "127.0.0.1:0", "--endpoint-addr-out", m.dir / "directory.addr")
        directory = m.address("directory")
        announce = ["--announce", "--directory", directory]
        url = f"{m.tuner('--codec', 'h264', '--callsign', 'KECT-DT')}/auto/v5.1"
        leader = m.start("leader", "moq-publish", "--input", "-", "--listen", "127.0.0.1:0", "--state-dir", m.dir / "leader-state", "--endpoint-addr-out",
                         m.dir / "leader.addr", "--json", "--publish-manifests", "--key", m.dir / "leader.key", "--log-level", "info", *announce, stdin=subprocess.PIPE)
        threading.Thread(target=pour, args=(url, leader), daemon=True).start()
        first = m.address("leader")
        m.start("native", "moq-publish", "--input", url, "--listen", "127.0.0.1:0", "--state-dir", m.dir / "native-state", "--endpoint-addr-out",
                m.dir / "native.addr", "--json", "--log-level", "info", *announce)
        second = m.address("native")

        def events(name, event):
            return [e for e in m.events(name) if e["event"] == event]
        weak = m.wait_for("the leader's first name", lambda: events("leader", "stream-named"))[0]
        check(weak["rule"] == "source", "the leader does not know what it reads")
        old = subscribe(m, "old", weak["stream_id"], "--remote", first, "--trust", key)
        alias = m.wait_for("a better name", lambda: [e for e in events("leader", "stream-alias") if e["stronger"]])[0]
        check((alias["stream_id"], alias["alias"]) == (weak["stream_id"], NAMED), f"it learns from the air what it is: {alias['reason']}")
        check(m.wait_for("the second name in use", lambda: events("leader", "published-as"))[0]["alias"] == NAMED, "and publishes under both names")
        check(m.wait_for("the native's name", lambda: events("native", "stream-named"))[0]["stream_id"] == NAMED, "another node is called so from the start")
        def listed():
            shown = m.run("find", "--directory", directory, "--json")
            return json.loads(shown.stdout)["streams"] if shown.returncode == 0 else []
        both = m.wait_for("one stream with two sources", lambda: (lambda s: s if len(s) == 1 and len(s[0]["sources"]) == 2 else None)(listed()))[0]
        check({weak["stream_id"], NAMED} <= set(both["names"]) and all(s["stream_id"] == NAMED for s in both["sources"]),
              "who looks for the broadcast sees both nodes, and the first name of the one beside it")
        new = subscribe(m, "new", NAMED, "--remote-manifests", first, "--remote", second, "--trust", key)
        m.wait_for("chunks under the broadcast's name", lambda: len(events("new", "chunk")) >= 3)
        m.wait_for("chunks under the old name", lambda: len(events("old", "chunk")) >= 3)
        for process in (old, new):
            process.send_signal(signal.SIGTERM)
            check(process.wait(timeout=60) == 0, "a subscriber ended in order")
        digests = {name: {e["chunk"]: e["digest"] for e in events(name, "chunk") if e["verified"] and not e["damaged"]} for name in ("old", "new")}
        common = digests["old"].keys() & digests["new"].keys()
        check(common and all(digests["old"][i] == digests["new"][i] for i in common), f"{len(common)} chunks were shown under both names, the same")
        leader.send_signal(signal.SIGTERM)
        check(leader.wait(timeout=60) == 0, "the leader ended in order")


if __name__ == "__main__":
    main()
