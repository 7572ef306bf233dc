#!/usr/bin/env python3
"""Two leaders, each with its own reading of one broadcast and its own key: a subscriber that requires two signers shows what both
attest, and nothing else: not what one of them alone says, nor what he and a stranger say. Two leaders with one key are caught: the
evidence is on the disk, and anybody can check it.

usage: two_leaders.py EC_NODE agree | one-stops | stranger | one-key
"""
import signal
import sys
import time

import mesh
from mesh import check


def end(process):
    process.send_signal(signal.SIGTERM)
    check(process.wait(timeout=60) == 0, "it ended with 0 after SIGTERM")


def wait_for(m, event, count, seconds=90):
    """Until a running subscriber has printed so many of an event."""
    def found():
        events = [e for e in m.events("subscriber") if e["event"] == event]
        return events if len(events) >= count else None
    return m.wait_for(f"{count} x {event}", found, seconds)


def one_key(m, url):
    key = m.keygen("first")
    sign = ["--publish-manifests", "--publish-chunks=false", "--key", m.dir / "first.key"]
    a = m.publisher("a", url, *sign)
    b = m.publisher("b", url, *sign)  # a state directory of its own: it does not know what the other signed
    process = m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--remote-manifests", a, "--remote-manifests", b,
                      "--remote", a, "--require-manifest", "--trust", key, "--evidence-dir", m.dir / "evidence", "--log-level", "info")
    file = m.wait_for("evidence", lambda: [e["file"] for e in m.events("subscriber") if e["event"] == "evidence-kept" and e["evidence"] == "fork"])[0]
    shown = m.run("verify", file)
    print(shown.stdout)
    check(shown.returncode == 0 and key in shown.stdout and "proven: both are signed by this key" in shown.stdout,
          "two leaders with one key fork its chain, the evidence is kept, and ec-node verify explains it")
    forged = m.dir / "forged.json"
    text = open(file).read()
    at = text.index('"signature": "') + 20
    forged.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1:])
    shown = m.run("verify", forged)
    check(shown.returncode == 1 and "is not signed by this key" in shown.stdout, "and finds out a forged one")
    end(process)


def main():
    binary, case = sys.argv[1], sys.argv[2]
    with mesh.Mesh(binary, f"two-{case}") as m:
        if case == "one-key":
            return one_key(m, f"{m.tuner()}/auto/v5.1")
        first, second = m.keygen("first"), m.keygen("second")
        m.keygen("third")
        url = f"{m.tuner()}/auto/v5.1"
        sign = ["--publish-manifests", "--publish-chunks=false", "--key"]
        a = m.publisher("a", url, *sign, m.dir / "first.key")
        b = m.publisher("b", url, *sign, m.dir / ("third.key" if case == "stranger" else "second.key"))
        relay = m.publisher("relay", url)
        both = ["--remote-manifests", a, "--remote-manifests", b, "--remote", relay, "--require-manifest", "--trust", first, "--trust", second,
                "--min-signers", "2", "--patience-ms", "3000"]

        if case == "agree":
            code, events = m.subscribe(*both, "--stop-after", "4")
            check(code == 0, "the subscriber had its chunks")
            chunks = [e for e in events if e["event"] == "chunk"]
            check(len(chunks) == 4 and all(e["verified"] for e in chunks), "all of them verified")
            verified = m.run("verify", m.dir / "hls", "--trust", first, "--trust", second, "--min-signers", "2")
            check(verified.returncode == 0, "each segment is proven by both keys")
            alone = m.run("verify", m.dir / "hls", "--trust", first, "--trust", m.keygen("fourth"), "--min-signers", "2")
            check(alone.returncode == 1 and "1 of 2 required signers" in alone.stdout, "and not by one of them and a third")
            return

        process = m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--log-level", "info", *both)
        if case == "one-stops":
            wait_for(m, "chunk", 2)
            end(next(p for n, p in m.running if n == "b"))
            told = wait_for(m, "too-few-signers", 1)
            # What both signed before the end may still have come in between; from here on nothing does.
            shown = len([e for e in m.events("subscriber") if e["event"] == "chunk"])
            time.sleep(5)
            check(len([e for e in m.events("subscriber") if e["event"] == "chunk"]) == shown, "with one leader stopped nothing more is shown")
        else:
            told = wait_for(m, "too-few-signers", 1)
            check(not [e for e in m.events("subscriber") if e["event"] == "chunk"], "with an untrusted key instead of the second nothing is shown")
            check([e for e in m.events("subscriber") if e["event"] == "rejected" and e["reason"] == "manifest_untrusted"], "the stranger is named")
            check(not list((m.dir / "hls").glob("*.ts")), "no segment was written")
        check(told[0]["signers"] == 1 and told[0]["required"] == 2, f"the reason was printed: {told[0]['reason']}")
        end(process)
        check(mesh.totals(m.events("subscriber")).get("chunks_too_few_signers", 0) > 0, "and counted")


if __name__ == "__main__":
    main()
