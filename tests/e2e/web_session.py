#!/usr/bin/env python3
"""A page in a real browser (headless Chromium) opens WebTransport sessions at a publisher, which it knows by the digest of its certificate: it gets MoQ's
SETUP, both sides end with a code, and a wrong protocol or certificate is refused.

usage: web_session.py EC_NODE
"""
import hashlib
import json
import ssl
import subprocess
import sys
import urllib.parse

import mesh
from mesh import check


def main():
    binary = sys.argv[1]
    if subprocess.run(["node", "--version"], capture_output=True, check=False).returncode != 0:
        print("SKIPPED: web_session: no node (deploy/setup-judges.sh installs it)")
        sys.exit(mesh.SKIPPED)
    with mesh.Mesh(binary, "web") as m:
        tuner = m.tuner()
        address = m.publisher("relay", f"{tuner}/auto/v5.1")
        port = urllib.parse.urlsplit(address).port
        certificate = (m.dir / "relay-state" / "endpoint.crt").read_text()
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
        page = subprocess.run(["node", mesh.HERE / "judge" / "web_session.mjs", f"https://127.0.0.1:{port}/tv", digest], capture_output=True, text=True,
                              timeout=120, check=False)
        if page.returncode == mesh.SKIPPED:
            print(page.stdout.strip())
            sys.exit(mesh.SKIPPED)
        check(page.returncode == 0, f"the page did all that it should: {page.stdout}{page.stderr}"[:2000])
        seen = json.loads(page.stdout)
        print(page.stdout.strip())
        check(seen["protocol"] == "moqt-18", "the session speaks the protocol that the page asked for")
        check(seen["first"].startswith("af00"), "the endpoint's first stream begins with SETUP")
        check(seen["ended"]["code"] == 3 and seen["ended"]["reason"], "a page that breaks the protocol hears so, with its code and a reason")
        check(seen["closed"]["code"] == 5 and seen["closed"]["reason"] == "bye", "a page that closes is done with its own code")
        check(seen["strange"] != "" and seen["pinned"] != "", "another protocol and another certificate are refused")
        log = m.dir / "relay.log"
        m.wait_for("the endpoint hears the page's code", lambda: "code=5" in log.read_text() and "bye" in log.read_text())
        text = log.read_text()
        check("transport=webtransport" in text and "implementation=wtc" in text and "path=/tv" in text, "the endpoint knows who was there, and how")


if __name__ == "__main__":
    main()
