#!/usr/bin/env python3
"""Processes that know nothing of each other but a directory: a subscriber that is given a stream id finds the publishers and ends with
verified HLS; who dies is gone after its time; what a directory is sent that nobody signed is refused.

usage: discovery.py EC_NODE subscribe | listen | forged | gossip | dht
"""
import json
import signal
import socket
import sys
import time
import urllib.error
import urllib.request

import mesh
from mesh import check

TTL = ["--announce-ttl-ms", "6000"]


def directory(m, *args):
    m.start("directory", "directory", "--listen", "127.0.0.1:0", "--endpoint-addr-out", m.dir / "directory.addr", *args)
    return m.address("directory")


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def listed(url):
    return get(f"{url}/api/public-streams")["announcements"]


def subscribe(m):
    """The leader has manifests only, the relay chunks only: neither is any use alone, and no address is given to anybody."""
    token = m.dir / "token"
    token.write_text("open-sesame\n")
    token.chmod(0o600)
    url = directory(m, "--token-file", token)
    key = m.keygen("leader")
    announce = ["--announce", "--directory", url, "--directory-token-file", token, *TTL]
    tuner = f"{m.tuner()}/auto/v5.1"
    m.leader(tuner, "leader", *announce)
    m.publisher("relay", tuner, *announce)
    m.wait_for("both announce", lambda: len(listed(url)) == 2)
    stream = get(f"{url}/api/public-streams")["streams"]
    check(len(stream) == 1 and stream[0]["sources"] == 2, "two nodes that announce one broadcast show as one stream with two sources")

    shown = m.run("find", "--directory", url, "--json")
    found = json.loads(shown.stdout)["streams"]
    check(shown.stdout.endswith("}\n") and not shown.stdout.endswith("\n\n"), "a document ends with one line end")
    check(shown.returncode == 0 and len(found) == 1 and len(found[0]["sources"]) == 2, "ec-node find lists them")
    resolved = m.run("control-resolve", "--directory", url, "--stream-id", mesh.STREAM)
    answer = json.loads(resolved.stdout)
    check(resolved.returncode == 0 and answer["kind"] == "direct" and "#spki=" in answer["address"], "control-resolve gives one way, with its pin")
    none = m.run("control-resolve", "--directory", url, "--stream-id", mesh.STREAM, "--policy", "relay", "--wait-ms", "0")
    check(none.returncode == 3 and "2 sources, and none of them by this policy" in none.stderr, "and says when there is none by a policy")

    code, events = m.subscribe("--discover", "--directory", url, "--require-manifest", "--trust", key, "--stop-after", "3")
    check(code == 0, "the subscriber had its chunks")
    chunks = [e for e in events if e["event"] == "chunk"]
    check(len(chunks) == 3 and all(e["verified"] for e in chunks), "all of them verified, from sources that nobody named")
    check(len([e for e in events if e["event"] == "source-dialled"]) == 2, "both sources were found")
    verified = m.run("verify", m.dir / "hls", "--trust", key)
    check(verified.returncode == 0, "and what it wrote is proven by the key that was named")

    # An announcement makes no key trusted.
    stranger = m.keygen("stranger")
    m.start("misled", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--discover", "--directory", url, "--require-manifest", "--trust", stranger)
    m.wait_for("a refusal", lambda: [e for e in m.events("misled") if e["event"] == "rejected" and e["reason"] == "manifest_untrusted"])
    check(not [e for e in m.events("misled") if e["event"] == "chunk"], "who trusts another key is shown nothing")
    m.end("misled")

    m.end("relay")
    m.wait_for("the relay is gone", lambda: len(listed(url)) == 2 and [a for a in listed(url) if not a["transports"]])
    check(True, "a publisher that ends says so")


def listen(m):
    """Nodes that only announce: quick to start, and to kill."""
    url = directory(m)
    pin = "ab" * 32
    m.start("listener", "control-listen", "--directory", url, "--json")

    def announcer(name, port):
        m.start(name, "control-announce", "--directory", url, "--stream-id", mesh.STREAM, "--endpoint", f"moqt://127.0.0.1:{port}#spki={pin}",
                "--state-dir", m.dir / f"{name}-state", *TTL)

    def told(event):
        return [e for e in m.events("listener") if e["event"] == event]

    announcer("a", 1001)
    announcer("b", 1002)
    m.wait_for("two sources", lambda: len(told("source-found")) == 2)
    check(len({e["source_node"] for e in told("source-found")}) == 2, "each is told with its node")
    time.sleep(4)  # longer than a third of the time to live: what is said again is no news
    check(len(told("source-found")) == 2 and not told("source-gone"), "who goes on announcing stays")
    a, b = m.process("a"), m.process("b")
    a.send_signal(signal.SIGKILL)
    a.wait()
    killed = time.monotonic()
    gone = m.wait_for("the killed one is gone", lambda: told("source-gone"), 40)
    check(gone[0]["reason"] == "expired" and len(gone) == 1, f"one that dies is gone after its time: {time.monotonic() - killed:.1f} s, of 6")
    m.end("b")
    gone = m.wait_for("the other one too", lambda: len(told("source-gone")) == 2 and told("source-gone"))
    check(gone[1]["reason"] == "withdrawn", "one that ends is gone at once")
    announcer("a", 1003)
    back = m.wait_for("it is back", lambda: len(told("source-found")) == 3 and told("source-found"))
    check(back[2]["source_node"] == told("source-found")[0]["source_node"] or back[2]["source_node"] == told("source-found")[1]["source_node"],
          "a node that comes back is the same node")
    m.end("directory")
    m.wait_for("the fault is told", lambda: told("carrier-fault"))
    check(True, "a directory that is away is told")


def gossip(m):
    """No directory: a listens to b, b to c; the subscriber knows a alone, and the stream is at c."""
    key = m.keygen("leader")
    tuner = f"{m.tuner()}/auto/v5.1"
    other = mesh.STREAM.replace("5.1", "5.2")
    c = m.publisher("leader", tuner, "--publish-manifests", "--key", m.dir / "leader.key", "--announce", *TTL)
    b = m.publisher("b", tuner, "--announce", "--gossip", c, *TTL)
    m.start("a", "moq-publish", "--input", tuner, "--stream-id", other, "--listen", "127.0.0.1:0", "--state-dir", m.dir / "a-state",
            "--endpoint-addr-out", m.dir / "a.addr", "--log-level", "info", "--announce", "--gossip", b, *TTL)
    a = m.address("a")
    code, events = m.subscribe("--discover", "--gossip", a, "--require-manifest", "--trust", key, "--stop-after", "2")
    chunks = [e for e in events if e["event"] == "chunk"]
    check(code == 0 and len(chunks) == 2 and all(e["verified"] for e in chunks), "a stream is found over two nodes that pass on who has it")

    url = directory(m)
    m.start("bridge", "control-bridge", "--gossip", a, "--directory", url)
    found = m.wait_for("the bridge has posted all of it", lambda: (lambda s: s if len(s) == 3 else None)(listed(url)))
    check({s["stream_id"] for s in found} == {mesh.STREAM, other}, "and a directory learns it from a bridge, each announcement signed by its own node")
    way = m.run("control-resolve", "--gossip", a, "--stream-id", mesh.STREAM, "--wait-ms", "30000")
    check(way.returncode == 0 and json.loads(way.stdout)["kind"] == "direct", "control-resolve gives one way by what a peer says")
    m.start("listener", "control-listen", "--gossip", a, "--json")
    m.wait_for("three sources", lambda: len([e for e in m.events("listener") if e["event"] == "source-found"]) == 3)
    m.end("leader")
    gone = m.wait_for("its end", lambda: [e for e in m.events("listener") if e["event"] == "source-gone"])
    check(gone[0]["stream_id"] == mesh.STREAM, f"its end is passed on as well: {gone[0]['reason']}")


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def dht(m):
    """A private DHT and nothing else: nobody is given the address of anybody who has the stream."""
    first = f"127.0.0.1:{free_udp_port()}"
    join = ["--dht-bootstrap", first]
    key = m.keygen("leader")
    stranger = m.keygen("stranger")
    tuner = f"{m.tuner()}/auto/v5.1"
    # The first node of the network has another stream, and is up later than those who look for it.
    m.start("early", "control-listen", *join, "--dht-listen", "127.0.0.1:0", "--stream-id", mesh.STREAM, "--json")
    told = m.wait_for("that nobody answers", lambda: [e for e in m.events("early") if e["event"] == "dht-unreachable"])
    check("--dht-bootstrap" in told[0]["reason"], f"a DHT that is not there is told: {told[0]['reason']}")
    m.leader(tuner, "leader", "--announce", *join, "--dht-listen", first, *TTL)
    m.publisher("relay", tuner, "--announce", *join, "--dht-listen", "127.0.0.1:0", *TTL)
    m.wait_for("it is there", lambda: [e for e in m.events("early") if e["event"] == "dht-reachable"])
    found = m.wait_for("two sources", lambda: (lambda s: s if len(s) == 2 else None)([e for e in m.events("early") if e["event"] == "source-found"]))
    check(all(e["carrier"] == "dht" for e in found) and len({e["signer"] for e in found}) == 2,
          "who has it is found by the DHT, and asked itself: two sources, each signed by its own node")
    check(len([e for e in m.events("early") if e["event"] == "dht-unreachable"]) == 1, "that it was not there was told once")

    code, events = m.subscribe("--discover", *join, "--dht-listen", "127.0.0.1:0", "--require-manifest", "--trust", key, "--stop-after", "3")
    chunks = [e for e in events if e["event"] == "chunk"]
    check(code == 0 and len(chunks) == 3 and all(e["verified"] for e in chunks), "a subscriber that is given a stream id and a DHT has verified chunks")
    check(len([e for e in events if e["event"] == "source-dialled"]) == 2, "from both sources")
    way = m.run("control-resolve", *join, "--dht-listen", "127.0.0.1:0", "--stream-id", mesh.STREAM, "--wait-ms", "30000")
    check(way.returncode == 0 and "#spki=" in json.loads(way.stdout)["address"], "control-resolve gives one way by the DHT")
    url = directory(m)
    m.start("bridge", "control-bridge", *join, "--dht-listen", "127.0.0.1:0", "--stream-id", mesh.STREAM, "--directory", url)
    m.wait_for("both in the directory", lambda: len(listed(url)) == 2)
    check(True, "and a bridge tells a directory who has the stream by the DHT")
    m.end("bridge")
    # What the network says makes no key trusted.
    m.start("misled", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--discover", *join, "--dht-listen", "127.0.0.1:0", "--require-manifest", "--trust", stranger)
    m.wait_for("a refusal", lambda: [e for e in m.events("misled") if e["event"] == "rejected" and e["reason"] == "manifest_untrusted"])
    check(not [e for e in m.events("misled") if e["event"] == "chunk"], "who trusts another key is shown nothing")
    m.end("misled")

    relay = m.process("relay")
    relay.send_signal(signal.SIGKILL)
    relay.wait()
    killed = time.monotonic()
    gone = m.wait_for("the killed one is gone", lambda: [e for e in m.events("early") if e["event"] == "source-gone"], 60)
    check(gone[0]["reason"] == "expired", f"one that dies is gone after its time, though the network still knows its address: {time.monotonic() - killed:.1f} s, of 6")
    m.end("leader")
    gone = m.wait_for("the other one too", lambda: (lambda g: g if len(g) == 2 else None)([e for e in m.events("early") if e["event"] == "source-gone"]))
    check(gone[1]["reason"] == "withdrawn", "one that ends says so to those who listen to it")
    m.end("early")
    totals = next(e for e in m.events("early") if e["event"] == "carrier-totals")
    check(totals["bytes_in"] > 0 and totals["bytes_out"] > 0 and totals["heard"] >= 2, f"and what it cost is told: {totals}")


def forged(m):
    """Posts that nobody signed, faster than they may come."""
    url = directory(m)
    vectors = json.loads((mesh.HERE.parent / "vectors/announcement/v1.json").read_text())
    good = json.loads(vectors["announcements"][0]["encoded"])

    def post(body):
        request = urllib.request.Request(f"{url}/api/stream-upsert", data=body.encode(), headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    codes = {}
    for i in range(600):
        now = int(time.time() * 1000)
        body = {**good, "updated_unix_ms": now, "sequence": now + i}
        code = post(json.dumps(body, sort_keys=True, separators=(",", ":")))
        codes[code] = codes.get(code, 0) + 1
    check(set(codes) <= {403, 429} and codes.get(403, 0) > 0 and codes.get(429, 0) > 0, f"forged announcements are refused, and then put off: {codes}")
    check(listed_when_allowed(m, url) == [], "none of them is listed")
    health = m.wait_for("an answer", lambda: quiet(lambda: get(f"{url}/api/health")))
    check(health["posts"]["bad_signature"] == codes[403] and health["announcements"] == 0, f"and they are counted: {health['posts']}, {health['requests_refused']} requests put off")


def quiet(ask):
    try:
        return ask()
    except urllib.error.HTTPError:
        return None


def listed_when_allowed(m, url):
    return m.wait_for("an answer", lambda: quiet(lambda: get(f"{url}/api/public-streams")))["announcements"]


def main():
    binary, case = sys.argv[1], sys.argv[2]
    with mesh.Mesh(binary, f"discovery-{case}") as m:
        {"subscribe": subscribe, "listen": listen, "forged": forged, "gossip": gossip, "dht": dht}[case](m)


if __name__ == "__main__":
    main()
