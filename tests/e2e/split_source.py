#!/usr/bin/env python3
"""Split source: manifests from a leader without chunks, chunks from a second publisher without manifests, both reading the same
broadcast from moments of their own; what the subscriber writes is compared with a third, independent reading.

usage: split_source.py EC_NODE builtin | h264 | FILE_OF_SHARED_DATA
       EC_HDHOMERUN_HOST=192.0.2.7 EC_HDHOMERUN_CHANNEL=5.1 split_source.py EC_NODE hdhomerun
"""
import os
import sys
import threading
import time
import urllib.request

import mesh
import ts_reading
from mesh import check


def record(url, path, stop):
    """The independent reading: plain HTTP into a file, until told to stop."""
    with urllib.request.urlopen(url, timeout=20) as stream, open(path, "wb") as out:
        while not stop.is_set():
            part = stream.read1(65536) if hasattr(stream, "read1") else stream.read(65536)
            if not part:
                break
            out.write(part)


def check_objects(m, signer, chunks, taken):
    """The file of objects: right as it was written; wrong, by name, with one byte changed, cut short, or for another key."""
    path = m.dir / "objects"
    raw = path.read_bytes()

    def verify(data, key=signer):
        path.write_bytes(data)
        return m.run("verify", path, "--trust", key)

    found = verify(raw)
    check(found.returncode == 0 and "all is right" in found.stdout, f"ec-node verify finds the file of objects right: {found.stdout.strip()}")
    whole = sum(not c["damaged"] for c in taken)
    check(f"{whole} chunks right" in found.stdout and f"{chunks - whole} damaged versions right" in found.stdout, "it holds every chunk that was taken")
    check(f"signed by {signer}" in found.stdout, "it names the signer")
    check(m.run("verify", path).returncode == 0, "without --trust the first signer counts")
    for what, at in (("the middle", len(raw) // 2), ("the last record", len(raw) - 40)):
        changed = bytearray(raw)
        changed[at] ^= 1
        found = verify(bytes(changed))
        check(found.returncode == 1 and "WRONG" in found.stdout and "chunk " in found.stdout and ", object " in found.stdout,
              f"one flipped bit in {what} is found and named: {found.stdout.splitlines()[0]}")
    found = verify(raw[:-7])
    before = whole - (0 if taken[-1]["damaged"] else 1)
    check(found.returncode == 1 and "cut short" in found.stdout and f"{before} chunks right" in found.stdout,
          "a cut last record is named, and what lies before it stays right")
    found = verify(raw, m.keygen("stranger"))
    check(found.returncode == 1 and signer in found.stdout, "for another key it is wrong, and who signed it is said")
    path.write_bytes(raw)


def main():
    binary, what = sys.argv[1], sys.argv[2]
    chunks = 4
    with mesh.Mesh(binary, "split") as m:
        signer = m.keygen("leader")
        again = m.run("keygen", "--out", m.dir / "leader.key")
        check(again.returncode == 2 and "choose another name" in again.stderr, "a key is never written over, and keygen says what to do")
        if what == "hdhomerun":
            host = os.environ.get("EC_HDHOMERUN_HOST")
            channel = os.environ.get("EC_HDHOMERUN_CHANNEL")
            if not host or not channel:
                print("SKIPPED: split source on a real tuner: set EC_HDHOMERUN_HOST and EC_HDHOMERUN_CHANNEL to run it")
                sys.exit(mesh.SKIPPED)
            capture = m.dir / "recording.ts"
            with urllib.request.urlopen(f"http://{host}:5004/auto/v{channel}?duration=20", timeout=30) as stream:
                capture.write_bytes(stream.read())
            tuner = m.tuner("--file", capture)
        elif what in ("builtin", "h264"):
            tuner = m.tuner("--codec", "h264" if what == "h264" else "mpeg2")
        else:
            tuner = m.tuner("--file", mesh.data(what))
        url = f"{tuner}/auto/v5.1"

        stop = threading.Event()
        reading = m.dir / "reading.ts"
        reader = threading.Thread(target=record, args=(url, reading, stop), daemon=True)
        reader.start()
        leader = m.leader(url)
        time.sleep(0.7)  # the second publisher tunes in later: that is the point
        relay = m.publisher("relay", url)
        code, events = m.subscribe("--remote-manifests", leader, "--remote", relay, "--require-manifest", "--trust", signer,
                                   "--stop-after", chunks, "--hls-mode", "event", "--objects-out", m.dir / "objects")
        time.sleep(0.3)
        stop.set()
        reader.join(timeout=5)

        check(code == 0, "the subscriber ended by itself through --stop-after with exit code 0")
        taken = [e for e in events if e["event"] == "chunk"]
        check(len(taken) == chunks, f"{chunks} chunks were taken")
        check(all(e["verified"] for e in taken), "every chunk was listed by a manifest of the trusted signer")
        check(all(e["signer"] == signer for e in taken), "the signer is the leader")
        check(not any(e["event"] == "rejected" for e in events), "nothing was rejected on a healthy path")

        segments = m.segments()
        check(len(segments) == chunks, f"the playlist lists {chunks} segments")
        playlist = (m.dir / "hls" / "index.m3u8").read_text()
        check("#EXT-X-ENDLIST" in playlist, "the playlist is finished")

        whole = ts_reading.packets(reading.read_bytes())
        wanted, _ = ts_reading.segment_payloads(segments[0])
        truth = ts_reading.payloads(whole, wanted)
        end = None
        for n, path in enumerate(segments):
            _, mine = ts_reading.segment_payloads(path)
            at = ts_reading.contained(mine, truth)
            check(at is not None, f"segment {n} is, packet by packet, what an independent reader received")
            follows = taken[n]["chunk"] == taken[n - 1]["chunk"] + 1 if n else False
            if n and follows and not taken[n].get("damaged"):
                check(at == end, f"segment {n} begins where segment {n - 1} ended")
            end = at + len(mine)

        verified = m.run("verify", m.dir / "hls", "--trust", signer)
        check(verified.returncode == 0, f"ec-node verify finds it right: {verified.stdout.strip().splitlines()[-1:]}{verified.stderr.strip()}")
        check_objects(m, signer, chunks, taken)
        raw = bytearray(segments[1].read_bytes())
        raw[len(raw) // 2] ^= 1
        segments[1].write_bytes(raw)
        verified = m.run("verify", m.dir / "hls", "--trust", signer)
        check(verified.returncode == 1 and segments[1].name in verified.stdout, "one flipped bit on disk is found and named")

        raw[len(raw) // 2] ^= 1
        segments[1].write_bytes(raw)
        mesh.judged(m.dir / "hls", "parser")
        # A capture may open with pictures that refer to ones before it, and one whose loop is cut has a picture with no end.
        mesh.judged(m.dir / "hls", "ffprobe", *([] if what in ("builtin", "h264") else ["--max-decode-errors", "20"]))
        if what == "h264":
            mesh.judged(m.dir / "hls", "browser", "--rate", "2")  # MPEG-2 is not what browsers decode


if __name__ == "__main__":
    main()
