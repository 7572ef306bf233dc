#!/usr/bin/env python3
"""Keys that change: a subscriber follows a key to its successor; nothing counts that a revoked key signs, whether its owner said so on the
track or the operator in a trust file.

usage: key_changes.py EC_NODE rotate | revoke | trust-file
"""
import json
import sys

import mesh
from mesh import check


def key(m, *args):
    done = m.run("key", *args)
    check(done.returncode == 0, f"ec-node key {args[0]}: {done.stderr.strip() or done.stdout.strip().splitlines()[0]}")
    return done.stdout


def refused(m, code, text, *args):
    done = m.run(*args)
    said = done.stderr.strip()
    check(done.returncode == code and text in said and "\n" not in said, f"refused with {code}: {said}")


def rotate(m, url):
    first = m.keygen("first")
    following = key(m, "rotate", "--key", m.dir / "first.key", "--out", m.dir / "next.key").strip()
    statement = m.dir / "next.key.statement"
    check(key(m, "show", m.dir / "next.key").strip() == following, "key show prints the public key")
    shown = key(m, "show", statement)
    check(first in shown and following in shown and "right: signed by both keys" in shown, "and explains a statement")
    refused(m, 2, "File exists", "key", "rotate", "--key", m.dir / "first.key", "--out", m.dir / "other.key", "--statement", statement)
    check(not (m.dir / "other.key").exists(), "no key without its statement")
    refused(m, 2, "File exists", "key", "rotate", "--key", m.dir / "first.key", "--out", m.dir / "next.key", "--statement", m.dir / "b")
    check(not (m.dir / "b").exists(), "no statement without its key")
    forged = m.dir / "forged"
    forged.write_text(statement.read_text().replace('"signed_unix_ms":1', '"signed_unix_ms":2'))
    refused(m, 1, "not signed by the key that it is about", "key", "show", forged)

    leader = m.leader(url, "next", "--key-statement", statement)
    relay = m.publisher("relay", url)
    code, events = m.subscribe("--remote-manifests", leader, "--remote", relay, "--require-manifest", "--trust", f"roof={first}", "--stop-after", "3")
    chunks = [e for e in events if e["event"] == "chunk"]
    check(code == 0 and len(chunks) == 3, "who trusts the old key has the chunks that the new one signs")
    check(all(e["verified"] and e["signer"] == following for e in chunks), "verified, by the new key")
    said = [e for e in events if e["event"] == "key-rotated"]
    check(len(said) == 1 and said[0]["key"] == first and said[0]["next"] == following, "said once")
    check(m.run("verify", m.dir / "hls", "--trust", first).returncode == 0, "and what was written is proven to who trusts the old key")
    m.end("leader")
    leader = m.leader(url, "next")  # says nothing of the old key any more
    code, events = m.subscribe("--remote-manifests", leader, "--remote", relay, "--require-manifest", "--trust", f"roof={first}", "--stop-after", "1")
    check(code == 0 and [e["signer"] for e in events if e["event"] == "chunk"] == [following] * 4, "a subscriber that was restarted remembers the new key")


def revoke(m, url):
    first = m.keygen("lost")
    key(m, "revoke", "--key", m.dir / "lost.key", "--statement", m.dir / "lost.revoked")
    check("right: signed by the key itself" in key(m, "show", m.dir / "lost.revoked"), "key show explains it")
    refused(m, 2, "this key was revoked", "moq-publish", "--input", url, "--listen", "127.0.0.1:0", "--state-dir", m.dir / "s", "--publish-manifests",
            "--key", m.dir / "lost.key", "--key-statement", m.dir / "lost.revoked")
    second = m.keygen("second")
    thief = m.publisher("thief", url, "--publish-manifests", "--key", m.dir / "lost.key")
    both = ["--require-manifest", "--trust", first, "--trust", second, "--remote", thief]
    code, events = m.subscribe("--remote-manifests", thief, *both, "--stop-after", "1", name="before")
    check(code == 0 and [e["signer"] for e in events if e["event"] == "chunk"] == [first], "the key counts as long as its revocation is not known")
    owner = m.publisher("owner", url, "--publish-manifests", "--publish-chunks=false", "--key", m.dir / "second.key", "--key-statement",
                        m.dir / "lost.revoked")
    m.start("after", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--remote-manifests", thief, "--remote-manifests", owner, *both, "--hls-dir",
            m.dir / "hls")

    def since_revoked():
        events = m.events("after")
        return events[next((n for n, e in enumerate(events) if e["event"] == "key-revoked"), len(events)):]

    m.wait_for("the thief's word is refused", lambda: [e for e in since_revoked() if e["event"] == "rejected" and e["reason"] == "manifest_key_revoked"])
    m.wait_for("the other key's word counts", lambda: [e for e in since_revoked() if e["event"] == "chunk"])
    m.end("after")
    events = m.events("after")
    revoked = [e["key"] for e in events if e["event"] == "key-revoked"]
    check(revoked == [first], "its owner revokes it on the track, which is said once")
    check({e["signer"] for e in since_revoked() if e["event"] == "chunk"} == {second}, "from then on only the other key's word counts")
    named = {e["source"] for e in events if e["event"] == "rejected" and e["reason"] == "manifest_key_revoked"}
    check(all(source in thief for source in named), "the thief is named")
    check(mesh.totals(events).get("refused_manifest_key_revoked", 0) > 0, "and counted")

    # The same subscriber, restarted, and nobody tells it of the revocation any more.
    m.end("owner")
    refused(m, 2, "each of them was revoked", "moq-subscribe", "--stream-id", mesh.STREAM, "--remote", thief, "--require-manifest", "--trust", first,
            "--state-dir", m.dir / "after-home" / "ec-node")
    before = len(m.events("after"))
    m.start("after", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--remote-manifests", thief, *both, "--hls-dir", m.dir / "later")
    m.wait_for("nothing vouches for what comes", lambda: [e for e in m.events("after")[before:] if e["event"] == "no-manifest"])
    m.end("after")
    events = m.events("after")[before:]
    check([e for e in events if e["event"] == "rejected" and e["reason"] == "manifest_key_revoked"], "after its restart the key is still revoked")
    check(not [e for e in events if e["event"] == "chunk"], "and nothing that the thief signs is shown")


def trust_file(m, url):
    first, second = m.keygen("first"), m.keygen("second")
    bad = m.publisher("bad", url, "--publish-manifests", "--key", m.dir / "first.key")
    good = m.publisher("good", url, "--publish-manifests", "--publish-chunks=false", "--key", m.dir / "second.key")
    path = m.dir / "trust.json"

    def write(streams, revoked):
        path.write_text(json.dumps({"version": 1, "trust": [{"streams": streams, "keys": [f"roof={second}", first]}], "revoked": revoked}))

    common = ["--remote-manifests", bad, "--remote-manifests", good, "--remote", bad, "--require-manifest", "--trust-file", path]
    wrong = ["moq-subscribe", "--stream-id", mesh.STREAM, *common]
    write("ec/stream/v1/broadcast/*", [])
    refused(m, 2, "no key in it counts for this stream", *wrong)
    write("ec/*/source", [])
    refused(m, 2, 'trust.json: key "trust[0].streams": expected a stream id', *wrong)
    write("ec/stream/v1/source/*", [first])
    refused(m, 2, "2 signers cannot be had of 1 trusted keys", *wrong, "--min-signers", "2")
    code, events = m.subscribe(*common, "--stop-after", "3")
    chunks = [e["signer"] for e in events if e["event"] == "chunk"]
    check(code == 0 and chunks == [second] * 3, "the file's key counts, and not the one that it calls revoked")
    check([e for e in events if e["event"] == "rejected" and e["reason"] == "manifest_key_revoked"], "which is named")
    check("3 proven by trusted keys" in m.run("verify", m.dir / "hls", "--trust-file", path).stdout, "verify takes the same file")
    write("ec/stream/v1/source/*", [second])
    check("which was revoked" in m.run("verify", m.dir / "hls", "--trust-file", path).stdout, "and its list of revoked keys")


def main():
    binary, case = sys.argv[1], sys.argv[2]
    with mesh.Mesh(binary, f"keys-{case}") as m:
        {"rotate": rotate, "revoke": revoke, "trust-file": trust_file}[case](m, f"{m.tuner()}/auto/v5.1")


if __name__ == "__main__":
    main()
