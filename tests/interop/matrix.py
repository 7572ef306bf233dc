#!/usr/bin/env python3
"""Every client against every relay, over each transport that both have: how many cases pass, and which do not.

    matrix.py EC_NODE BIN_DIR

A client prints TAP; a relay is a process on a free port of loopback. Exits with 1 if a case fails that is not explained in
docs/interop.md."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from relays import Relay, certificate

EC_NODE, BIN = os.path.abspath(sys.argv[1]), sys.argv[2]
DIR = tempfile.mkdtemp(prefix="ec-interop-")
# Client, relay, case: explained in docs/interop.md.
EXPLAINED = {("ec-node", "moq-relay-ietf", "publish-namespace-done")}


def play(command, url):
    """Case and whether it passed, as the client's TAP tells; the client's complaints if it told nothing."""
    environment = {**os.environ, "RELAY_URL": url, "TLS_DISABLE_VERIFY": "true"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return {"(did not end)": False}
    points = re.findall(r"^(not )?ok \d+ - (\S+)(.*)$", done.stdout, re.M)
    out = {name: not bad for bad, name, rest in points if "# SKIP" not in rest}
    if "Bail out!" in done.stdout or not out:
        out["(bailed out: " + (done.stdout + done.stderr).strip()[-120:] + ")"] = False
    return out


def main():
    relays = [Relay.ec_node(EC_NODE, DIR), Relay.moq_relay_ietf(os.path.join(BIN, "moq-relay-ietf"), DIR, *certificate(DIR))]
    clients = {"moq-test-client": [os.path.join(BIN, "moq-test-client")], "ec-node": [EC_NODE, "interop-client"]}
    unexplained = 0
    print(f"{'client':18}{'relay':18}{'transport':14}passed")
    for relay in relays:
        for scheme, transport in (("moqt", "raw QUIC"), ("https", "WebTransport")):
            for client, command in clients.items():
                with relay:
                    cases = play(command, f"{scheme}://127.0.0.1:{relay.port}")
                failed = [name for name, passed in cases.items() if not passed]
                print(f"{client:18}{relay.name:18}{transport:14}{len(cases) - len(failed)} of {len(cases)}", end="")
                print(f"   not: {', '.join(failed)}" if failed else "", flush=True)
                unexplained += sum((client, relay.name, name) not in EXPLAINED for name in failed)
    print("all that fails is explained in docs/interop.md" if unexplained == 0 else f"{unexplained} failures are not explained; logs are in {DIR}")
    if unexplained == 0:
        shutil.rmtree(DIR, ignore_errors=True)
    sys.exit(0 if unexplained == 0 else 1)


if __name__ == "__main__":
    main()
