#!/usr/bin/env python3
"""Every client against every relay, in each version and over each transport that both have: how many cases of the interop runner pass, and
whether a broadcast comes through, published and taken by our own commands, and media by the tools of other projects.

    matrix.py EC_NODE BIN_DIR [--only cases|streams|media]

A client prints TAP; a relay is a process on a free port of loopback. Exits with 1 if something fails that is not explained in
docs/interop.md."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import media
from relays import Relay, certificate

TRANSPORTS = (("moqt", "raw QUIC"), ("https", "WebTransport"))
VERSIONS = ("moqt-18", "moqt-16", "moq-lite-05", "moq-lite-04", "moq-lite-03")
SPOKEN = {"ec-node": VERSIONS, "moq-relay-ietf": ("moqt-18",), "moq-relay": VERSIONS}
# Client, relay, case: explained in docs/interop.md.
EXPLAINED = {("ec-node", "moq-relay-ietf", "publish-namespace-done"),
             # It gives nothing that was published before it subscribed.
             ("moq-pub, moq-sub", "moq-relay", "media"),
             # It takes no PUBLISH, waits for no publisher, and gives each object a time.
             *(("ec-node", "moq-relay", name) for name in ("publish-track-only", "publish-track-subscribe", "rendezvous-timeout")),
             *(("moq-test-client", "moq-relay", name) for name in (
                 "publish-track-only", "publish-track-subscribe", "rendezvous-timeout", "data-subgroup-basic", "moq-test-subgroup-per-group-eog",
                 "moq-test-subgroup-per-object", "moq-test-two-subgroups-eog", "moq-test-datagram", "moq-test-datagram-eog", "moq-test-extensions",
                 "moq-test-increments", "moq-test-forward-zero"))}
CHUNKS = 3


def play(command, url):
    """Case and whether it passed, as the client's TAP tells; the client's complaints if it told nothing. Second, how many it skipped."""
    environment = {**os.environ, "RELAY_URL": url, "TLS_DISABLE_VERIFY": "true"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return {"(did not end)": False}, 0
    points = re.findall(r"^(not )?ok \d+ - (\S+)(.*)$", done.stdout, re.M)
    out = {name: not bad for bad, name, rest in points if "# SKIP" not in rest}
    if "Bail out!" in done.stdout or not out:
        out["(bailed out: " + (done.stdout + done.stderr).strip()[-120:] + ")"] = False
    return out, sum("# SKIP" in rest for _, _, rest in points)


class Matrix:
    def __init__(self, ec_node, peers):
        self.ec_node, self.peers = os.path.abspath(ec_node), peers
        self.dir = tempfile.mkdtemp(prefix="ec-interop-")
        tls = certificate(self.dir)
        self.relays = [Relay.ec_node(self.ec_node, self.dir), Relay.moq_relay_ietf(os.path.join(peers, "moq-relay-ietf"), self.dir, *tls),
                       Relay.moq_relay(os.path.join(peers, "moq-relay"), self.dir, *tls)]
        self.unexplained = 0

    def note(self, client, relay, failed):
        self.unexplained += sum((client, relay, name) not in EXPLAINED for name in failed)

    def cases(self):
        clients = [("moq-test-client", "moqt-18", [os.path.join(self.peers, "moq-test-client")]),
                   ("ec-node", "moqt-18", [self.ec_node, "interop-client"]),
                   ("ec-node", "moqt-16", [self.ec_node, "interop-client", "--draft", "draft-16"])]
        print(f"{'client':18}{'relay':18}{'version':13}{'transport':14}passed")
        for relay in self.relays:
            for scheme, transport in TRANSPORTS:
                for client, version, command in clients:
                    if version not in SPOKEN[relay.name]:
                        continue
                    with relay:
                        cases, skipped = play(command, f"{scheme}://127.0.0.1:{relay.port}")
                    failed = [name for name, passed in cases.items() if not passed]
                    print(f"{client:18}{relay.name:18}{version:13}{transport:14}{len(cases) - len(failed)} of {len(cases)}", end="")
                    print(f", {skipped} skipped" if skipped else "", end="")
                    print(f"   not: {', '.join(failed)}" if failed else "", flush=True)
                    self.note(client, relay.name, failed)

    def start(self, name, *command):
        with open(os.path.join(self.dir, name + ".log"), "ab") as log:
            environment = {**os.environ, "LD_LIBRARY_PATH": os.path.join(os.path.dirname(self.ec_node), "..", "media")}
            return subprocess.Popen([self.ec_node, *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def waits(self, path):
        """The first line of a file that a command writes when it is ready."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    if line := file.readline().strip():
                        return line
            time.sleep(0.05)
        raise SystemExit(f"{path} is not written: logs are in {self.dir}")

    def stream(self, relay, scheme, version, tuner):
        """Why a broadcast did not come through, published and taken in `version`; nothing if it did."""
        url, work = f"{scheme}://127.0.0.1:{relay.port}", tempfile.mkdtemp(dir=self.dir)
        common = ("--tls-insecure", "--moq-version", version, "--state-dir", os.path.join(work, "state"), "--json")
        source = "ec/stream/v1/source/kind-hdhomerun/device-interop/channel-5.1/profile-ts-v1/variant-main"
        publisher = self.start("publisher", "moq-publish", "--input", f"{tuner}/auto/v5.1", "--stream-id", source, "--publish-manifests", "--key",
                               os.path.join(self.dir, "leader.key"), "--listen", "127.0.0.1:0", "--relay", url, *common)
        try:
            hls = os.path.join(work, "hls")
            try:
                done = subprocess.run([self.ec_node, "moq-subscribe", "--remote", url, "--stream-id", source, "--require-manifest", "--trust", self.trust,
                                       "--hls-dir", hls, "--hls-mode", "event", "--stop-after", str(CHUNKS), *common],
                                      capture_output=True, text=True, timeout=90)
            except subprocess.TimeoutExpired:
                return "nothing came in 90 s"
            events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            verified = sum(e.get("event") == "chunk" and e.get("verified") is True for e in events)
            if done.returncode != 0 or verified < CHUNKS:
                return f"{verified} of {CHUNKS} chunks verified: {done.stderr.strip()[-120:]}"
            checked = subprocess.run([self.ec_node, "verify", hls, "--trust", self.trust], capture_output=True, text=True)
            return "" if checked.returncode == 0 else checked.stdout.strip()[-120:]
        finally:
            publisher.terminate()
            publisher.wait(30)

    def streams(self):
        self.trust = subprocess.run([self.ec_node, "keygen", "--out", os.path.join(self.dir, "leader.key")], check=True, capture_output=True,
                                    text=True).stdout.strip()
        address = os.path.join(self.dir, "tuner")
        simulator = self.start("tuner", "simulate-tuner", "--listen", "127.0.0.1:0", "--speed", "8", "--endpoint-addr-out", address)
        try:
            tuner = self.waits(address)
            print(f"\n{'publisher':18}{'relay':18}{'version':13}{'transport':14}{CHUNKS} chunks")
            for relay in self.relays:
                for version in SPOKEN[relay.name]:
                    for scheme, transport in TRANSPORTS:
                        with relay:
                            why = self.stream(relay, scheme, version, tuner)
                        print(f"{'ec-node':18}{relay.name:18}{version:13}{transport:14}{'not: ' + why if why else 'verified'}", flush=True)
                        self.note("ec-node", relay.name, ["stream"] if why else [])
        finally:
            simulator.terminate()
            simulator.wait(30)

    def media(self):
        if absent := media.missing():
            return print(f"\nmedia: skipped: {', '.join(absent)} is not installed")
        clip = media.source(self.dir)
        print(f"\n{'publisher, taker':18}{'relay':18}{'version':13}{'transport':14}frames in {media.TAKEN:.0f} s")
        for relay in self.relays:
            for tool in media.tools(self.peers):
                for version in (v for v in tool.versions if v in SPOKEN[relay.name]):
                    for scheme, transport in TRANSPORTS:
                        with relay:
                            count, why = media.through(tool, version, f"{scheme}://127.0.0.1:{relay.port}", clip, self.dir)
                        print(f"{tool.name:18}{relay.name:18}{version:13}{transport:14}{count}{'   not: ' + why if why else ''}", flush=True)
                        self.note(tool.name, relay.name, ["media"] if why else [])


def main():
    parser = argparse.ArgumentParser(usage="matrix.py EC_NODE BIN_DIR [--only cases|streams|media]")
    parser.add_argument("ec_node")
    parser.add_argument("peers")
    parser.add_argument("--only", choices=("cases", "streams", "media"))
    options = parser.parse_args()
    matrix = Matrix(options.ec_node, options.peers)
    for part in (matrix.cases, matrix.streams, matrix.media):
        if options.only in (None, part.__name__):
            part()
    print("all that fails is explained in docs/interop.md" if matrix.unexplained == 0
          else f"{matrix.unexplained} failures are not explained; logs are in {matrix.dir}")
    if matrix.unexplained == 0:
        shutil.rmtree(matrix.dir, ignore_errors=True)
    sys.exit(0 if matrix.unexplained == 0 else 1)


if __name__ == "__main__":
    main()
