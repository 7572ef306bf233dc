#!/usr/bin/env python3
"""Pages in a real browser (headless Chromium) that use the npm package @moq/net publish to, and subscribe through, a relay: each version of MoQ that both
speak, and pages of different versions with each other. Every frame comes, with its bytes, its place and its time.

usage: moq_pages.py EC_NODE
"""
import hashlib
import json
import ssl
import subprocess
import sys
import urllib.parse

import mesh
from mesh import check

PAIRS = [("moq-lite-05", "moq-lite-05"), ("moq-lite-05", "moqt-18"), ("moqt-18", "moq-lite-05"), ("moqt-18", "moqt-18"),
         ("moq-lite-04", "moq-lite-05"), ("moq-lite-05", "moq-lite-03")]


def main():
    binary = sys.argv[1]
    if subprocess.run(["node", "--version"], capture_output=True, check=False).returncode != 0:
        print("SKIPPED: moq_pages: no node (deploy/setup-judges.sh installs it)")
        sys.exit(mesh.SKIPPED)
    with mesh.Mesh(binary, "moq-pages") as m:
        m.start("relay", "relay", "--listen", "127.0.0.1:0", "--state-dir", m.dir / "relay-state", "--endpoint-addr-out", m.dir / "relay.addr",
                "--log-level", "info", "--json")
        port = urllib.parse.urlsplit(m.address("relay")).port
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert((m.dir / "relay-state" / "endpoint.crt").read_text())).hexdigest()
        names = [name for pair in PAIRS for name in pair]
        pages = subprocess.run(["node", mesh.HERE / "judge" / "moq_pages.mjs", f"https://127.0.0.1:{port}/", digest, *names], capture_output=True,
                               text=True, timeout=900, check=False)
        if pages.returncode == mesh.SKIPPED:
            print(pages.stdout.strip())
            sys.exit(mesh.SKIPPED)
        check(pages.returncode == 0, f"the pages did all that they should: {pages.stdout}{pages.stderr}"[:3000])
        answer = json.loads(pages.stdout)
        check(len(answer["pairs"]) == len(PAIRS), "each pair of versions had its turn")
        for pair in answer["pairs"]:
            what = f"{pair['from']} to {pair['to']}"
            check(pair["protocol"] == pair["to"], f"{what}: the version that was asked for is spoken")
            frames = {(s["group"], s["frame"]): s for s in pair["seen"] if "frame" in s}
            check(not any("error" in s for s in pair["seen"]), f"{what}: no group failed: {pair['seen']}")
            for group in range(4):
                for frame in range(3):
                    seen = frames.get((group, frame))
                    text = f"group {group} frame {frame} "
                    check(seen is not None and seen["bytes"] == len(text) + frame * 40000 and seen["text"].startswith(text.strip()),
                          f"{what}: frame {group}/{frame} came whole: {seen}")
                    # Drafts before lite-05 have no times; the pages then see when a frame came.
                    timed = not {pair["from"], pair["to"]} & {"moq-lite-03", "moq-lite-04"}
                    if timed:
                        check(seen["at"] == 1000 * group + 40 * frame, f"{what}: frame {group}/{frame} has its time: {seen}")
            print(f"{what}: {len(frames)} frames, {sum(f['bytes'] for f in frames.values())} bytes")
        log = (m.dir / "relay.log").read_text()
        for name in {n for pair in PAIRS for n in pair}:
            check(f"protocol={name}" in log, f"the relay says that {name} was spoken")
        print(answer["browser"])


if __name__ == "__main__":
    main()
