#!/usr/bin/env python3
"""Publishers that were told no stream id name the broadcast: two of them, to which the tuner has different addresses, give one stream, and a
subscriber takes manifests from the one and objects from the other. What `ec-node lineup` says of a tuner is what they are called. A tuner whose
lineup does not come stops nobody.

usage: default_names.py EC_NODE two-publishers | no-lineup
"""
import json
import socket
import sys
import threading

import mesh
from mesh import check

NAMED = "ec/stream/v1/broadcast/standard-atsc/channel-5.1/callsign-kect/profile-ts-v1/variant-main"
ALIAS = "ec/stream/v1/broadcast/standard-atsc/tsid-3777/channel-5.1/profile-ts-v1/variant-main"


def publish(m, name, source, *args):
    m.start(name, "moq-publish", "--input", source, "--listen", "127.0.0.1:0", "--state-dir", m.dir / f"{name}-state", "--endpoint-addr-out",
            m.dir / f"{name}.addr", "--json", *args)
    return m.address(name)


def named(m, name):
    """How a publisher says that its stream is named."""
    return m.wait_for(f"{name}'s name", lambda: [e for e in m.events(name) if e["event"] == "stream-named"])[0]


def two_publishers(m):
    key = m.keygen("leader")
    here = m.tuner("--callsign", "KECT-DT")
    tuners = [here, here.replace("127.0.0.1", "localhost")]
    for url in tuners:
        listed = m.run("lineup", "--host", url.removeprefix("http://"), "--json")
        check(listed.returncode == 0, f"{url} is listed")
        channel, = json.loads(listed.stdout)["channels"]
        check((channel["channel"], channel["rule"], channel["stream_id"], channel["aliases"]) == ("5.1", "broadcast", NAMED, [ALIAS]),
              "with the broadcast's id and its alias")
    leader = publish(m, "leader", f"{tuners[0]}/auto/v5.1", "--publish-manifests", "--publish-chunks=false", "--key", m.dir / "leader.key")
    # By its name, which the lineup knows under this number.
    relay = publish(m, "relay", f"{tuners[1].replace('http', 'hdhomerun')}/name/kect-dt")
    for name in ("leader", "relay"):
        told = named(m, name)
        check((told["stream_id"], told["rule"], told["aliases"]) == (NAMED, "broadcast", [ALIAS]), f"the {name} says so too: {told['reason']}")
    subscriber = m.start("subscriber", "moq-subscribe", "--stream-id", NAMED, "--json", "--hls-dir", m.dir / "hls", "--remote-manifests", leader,
                         "--remote", relay, "--require-manifest", "--trust", key, "--stop-after", "3")
    check(subscriber.wait(timeout=180) == 0, "the subscriber had its chunks")
    chunks = [e for e in m.events("subscriber") if e["event"] == "chunk"]
    check(len(chunks) == 3 and all(e["verified"] for e in chunks), "each listed by the one node and given by the other")


def no_lineup(m):
    # Takes connections and never answers; counts who asked.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        callers = []

        def accept():
            try:
                while True:
                    callers.append(silent.accept()[0])
            except OSError:
                pass
        threading.Thread(target=accept, daemon=True).start()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        source = f"http://{host}/auto/v5.1"
        publish(m, "explicit", source, "--stream-id", mesh.STREAM, "--startup-delay-ms", "600000")
        told = named(m, "explicit")
        check((told["stream_id"], told["rule"]) == (mesh.STREAM, "explicit") and not callers, "with an explicit id the tuner is not asked")
        publish(m, "source", source, "--startup-delay-ms", "600000")
        told = named(m, "source")
        check(told["rule"] == "source" and told["stream_id"].startswith("ec/stream/v1/source/kind-hdhomerun/device-127.0.0.1%3A"),
              "without one the stream is named by its source")
        check("lineup cannot be read" in told["reason"] and host in told["reason"] and callers, f"and says why: {told['reason']}")
        log = (m.dir / "source.log").read_text()
        check("stream-named" in log and "rule=source" in log, "also in its log")
        silent.shutdown(socket.SHUT_RDWR)
        for c in callers:
            c.close()


def main():
    binary, case = sys.argv[1], sys.argv[2]
    with mesh.Mesh(binary, f"names-{case}") as m:
        {"two-publishers": two_publishers, "no-lineup": no_lineup}[case](m)


if __name__ == "__main__":
    main()
