#!/usr/bin/env python3
"""No manifest, no data: with no manifests, with manifests of an untrusted key, and with a publisher whose reading has one byte flipped,
not one unverified byte reaches the HLS directory, and the reason is counted and printed.

usage: no_manifest_no_data.py EC_NODE none | untrusted | flipped
"""
import os
import pathlib
import signal
import subprocess
import sys
import time

import mesh
from mesh import check

FLIP = r"""
import sys, urllib.request
# A lying reading of a broadcast: one bit of every 1,500th packet of the video is not what was sent.
count = 0
with urllib.request.urlopen(sys.argv[1], timeout=20) as stream:
    while True:
        packet = stream.read(188)
        if len(packet) < 188:
            break
        packet = bytearray(packet)
        video = (packet[1] & 0x1f) << 8 | packet[2]
        if video == int(sys.argv[2]) and packet[1] & 0x40 == 0 and packet[3] & 0x30 == 0x10:
            count += 1
            if count % 1500 == 0:
                packet[120] ^= 0x20
        try:
            sys.stdout.buffer.write(packet)
        except BrokenPipeError:
            break
"""


def files(m):
    hls = m.dir / "hls"
    return sorted(p.name for p in hls.glob("*")) if hls.exists() else []


def end(m, process):
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


def main():
    binary, case = sys.argv[1], sys.argv[2]
    with mesh.Mesh(binary, case) as m:
        signer = m.keygen("leader")
        tuner = m.tuner()
        url = f"{tuner}/auto/v5.1"
        base = ["--require-manifest", "--trust", signer]

        if case == "none":
            relay = m.publisher("relay", url)
            process = m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--remote", relay, *base)
            m.wait_for("the reason", lambda: any(e["event"] == "no-manifest" for e in m.events("subscriber")))
            end(m, process)
            events = m.events("subscriber")
            check(not [e for e in events if e["event"] == "chunk"], "no chunk was taken")
            check(not [f for f in files(m) if f.endswith(".ts") or f.endswith(".m3u8")], "no segment and no playlist was written")
            check(mesh.totals(events).get("objects", 0) > 0, "objects did come")
            check(any(e["event"] == "no-manifest" for e in events), "the reason was printed: no trusted manifest lists them")
            check(mesh.totals(events).get("chunks_waiting", 0) > 0, "and what waits for one is counted")

        if case == "untrusted":
            other = m.keygen("other")
            leader = m.leader(url, "other")
            relay = m.publisher("relay", url)
            process = m.start("subscriber", "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--hls-dir", m.dir / "hls", "--remote", relay,
                              "--remote-manifests", leader, *base)
            m.wait_for("a manifest is refused", lambda: any(e["event"] == "rejected" for e in m.events("subscriber")))
            end(m, process)
            events = m.events("subscriber")
            check(not [e for e in events if e["event"] == "chunk"], "no chunk was taken")
            check(not [f for f in files(m) if f.endswith(".ts") or f.endswith(".m3u8")], "no segment and no playlist was written")
            rejected = [e for e in events if e["event"] == "rejected" and e["reason"] == "manifest_untrusted"]
            check(rejected, "the manifests were rejected as untrusted")
            check(mesh.totals(events).get("refused_manifest_untrusted", 0) > 0, "and counted")
            check(any(other in e.get("text", "") for e in rejected), "the key that signed is named")

        if case == "flipped":
            leader = m.leader(url)
            liar = subprocess.Popen([sys.executable, "-c", FLIP, url, os.environ.get("EC_VIDEO_PID", "49")], stdout=subprocess.PIPE)
            m.running.append(("liar", liar))
            relay = m.publisher("relay", "-", "--pace", "0", stdin=liar.stdout)
            honest = m.publisher("honest", url)
            # Alone, the liar's chunks are refused.
            code, events = m.subscribe("--remote-manifests", leader, "--remote", relay, *base, "--max-invalid-chunks", "1", name="alone")
            check(code == 1, "with --max-invalid-chunks 1 the subscriber ends with exit code 1")
            reasons = {e["reason"] for e in events if e["event"] == "rejected"}
            check(reasons & {"chunk_mismatch", "piece_mismatch"}, f"the reason was printed: {sorted(reasons)}")
            check(mesh.totals(events).get("chunks_invalid", 0) >= 2, "and counted")
            check(all(e["verified"] for e in events if e["event"] == "chunk"), "what was taken is what the leader signed")
            verified = m.run("verify", m.dir / "hls", "--trust", signer) if files(m) and (m.dir / "hls" / "index.m3u8").exists() else None
            check(verified is None or verified.returncode == 0, "not one unverified byte is in the HLS directory")
            # Beside an honest source the stream goes on.
            for f in (m.dir / "hls").glob("*"):
                f.unlink()
            for f in (m.dir / "hls").glob(".*"):
                f.unlink()
            code, events = m.subscribe("--remote-manifests", leader, "--remote", relay, "--remote", honest, *base, "--stop-after", "4", name="both")
            check(code == 0, "with an honest source beside it the subscriber gets its chunks")
            check(all(e["verified"] for e in events if e["event"] == "chunk"), "all of them verified")
            verified = m.run("verify", m.dir / "hls", "--trust", signer)
            check(verified.returncode == 0, "and what was written is what the leader signed")


if __name__ == "__main__":
    main()
