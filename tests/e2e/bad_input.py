#!/usr/bin/env python3
"""Bad input to every option of every command and to every key of a config file: one line on standard error that names the thing, the
documented exit code, and nothing begun. An option that --help shows and this table does not name fails the test.

usage: bad_input.py EC_NODE
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import bad_input_keys

USAGE, NOT_VERIFIED, FAILED, NO_SUCH_CASE = 2, 1, 3, 127
STREAM = "ec/stream/v1/source/kind-hdhomerun/device-e2e/channel-5.1/profile-ts-v1/variant-main"
KEY = "ed25519:" + "11" * 32


class Table:
    def __init__(self, binary):
        self.binary = binary
        self.dir = tempfile.mkdtemp(prefix="ec-e2e-bad-")
        self.failures = []
        self.rows = 0
        self.named = {}

    def path(self, name, content=None, mode=0o600):
        full = os.path.join(self.dir, name)
        if content is not None:
            with open(full, "wb") as out:
                out.write(content)
            os.chmod(full, mode)
        return full

    def row(self, command, args, code, *says):
        """Runs it and demands the exit code, one line, and each of `says` in it."""
        self.rows += 1
        for a in args:
            if str(a).startswith("--"):
                self.named.setdefault(command, set()).add(str(a)[2:].split("=")[0])
        home = {**os.environ, "XDG_STATE_HOME": self.path("state")}
        try:
            done = subprocess.run([self.binary, *command.split(), *map(str, args)], capture_output=True, text=True, timeout=60,
                                  stdin=subprocess.DEVNULL, env=home)
        except subprocess.TimeoutExpired:
            self.fail(command, args, "did not end")
            return
        lines = (done.stdout + done.stderr).strip().splitlines()
        told = "\n".join(lines)
        if done.returncode != code:
            self.fail(command, args, f"exit code {done.returncode}, not {code}: {told[:300]}")
        elif not lines or len(lines) > 2:
            self.fail(command, args, f"{len(lines)} lines: {told[:300]}")
        else:
            for text in says:
                if text not in told:
                    self.fail(command, args, f"does not say '{text}': {told[:300]}")

    def fail(self, command, args, why):
        self.failures.append(f"{command} {' '.join(map(str, args))}: {why}")

    def options(self, command):
        text = subprocess.run([self.binary, *command.split(), "--help"], capture_output=True, text=True).stdout
        return re.findall(r"^  --([a-z-]+)", text, re.M)

    def complete(self, command):
        for option in self.options(command):
            if option != "help" and option not in self.named.get(command, set()):
                self.failures.append(f"{command} --{option} has no row in this table")


def every_command(t):
    for command in ("bench", "control-announce", "control-bridge", "control-listen", "control-resolve", "directory", "discover", "find", "interop-client", "key show", "key rotate", "key revoke", "keygen", "lineup", "moq-publish", "moq-subscribe", "relay", "run", "simulate-tuner", "token key", "token make", "token explain", "verify"):
        t.row(command, ["--nonsense"], USAGE, "--nonsense", "--help")
        t.row(command, ["--log-level", "loud"], USAGE, "--log-level", "loud")
        t.row(command, ["--log-format", "xml"], USAGE, "--log-format", "xml")
        t.row(command, ["--log-level"], USAGE, "log-level")
    t.row("moq-subscribe", ["--remot", "127.0.0.1:1"], USAGE, "--remot")
    t.row("dance", [], USAGE, "dance")


def publish(t, good_key):
    ts = t.path("empty.ts", b"")
    base = ["--listen", "127.0.0.1:0", "--state-dir", t.path("p-state")]

    def bad(args, code, *says):
        have = [] if "--input" in args else ["--input", ts]
        without = [a for i in range(0, len(base), 2) if base[i] not in args for a in base[i:i + 2]]
        t.row("moq-publish", have + without + args, code, *says)

    t.row("moq-publish", [], USAGE, "--input")
    bad(["--input", "/nowhere.ts"], USAGE, "--input", "/nowhere.ts")
    bad(["--input", "ftp://192.0.2.1/x"], USAGE, "--input", "ftp")
    bad(["--input", t.dir], USAGE, "--input")
    for value in ("udp://@239.1.1.1", "rtp://host:5000", "udp://[ff02::1]:5000", "dvb:/nowhere/adapter0", "dvb:", f"dvb:{t.dir}", "hdhomerun://127.0.0.1/program/x"):
        bad(["--input", value], USAGE, "--input", value.removeprefix("dvb:").removeprefix("hdhomerun://127.0.0.1"))
    bad(["--input", "hdhomerun://nowhere.invalid:5004/name/WCMH-DT"], USAGE, "--input", "nowhere.invalid")
    bad(["--stream-id", "ec/stream/v2/x"], USAGE, "--stream-id")
    bad(["--listen", "127.0.0.1:99999"], USAGE, "--listen", "99999")
    bad(["--listen", "nowhere"], USAGE, "--listen")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        bad(["--listen", f"127.0.0.1:{taken.getsockname()[1]}"], FAILED, str(taken.getsockname()[1]), "in use")
    bad(["--publish-manifests=perhaps"], USAGE, "--publish-manifests", "perhaps")
    bad(["--publish-manifests"], USAGE, "--key")
    bad(["--publish-chunks=2"], USAGE, "--publish-chunks")
    bad(["--publish-chunks=false"], USAGE, "--publish-")
    for value in ("0", "-1", "two", "99999999999999999999", "1000000"):
        bad(["--publish-manifests", "--key", good_key, "--epoch-chunks", value], USAGE, "--epoch-chunks")
    bad(["--publish-manifests", "--key", "/nowhere.key"], USAGE, "--key", "/nowhere.key")
    bad(["--publish-manifests", "--key", t.path("garbage.key", b"not a key\n")], USAGE, "--key", "garbage.key")
    bad(["--publish-manifests", "--key", t.path("open.key", open(good_key, "rb").read(), 0o644)], USAGE, "open.key", "chmod")
    bad(["--publish-manifests", "--key", good_key, "--key-statement", "/nowhere.statement"], USAGE, "--key-statement", "/nowhere.statement")
    bad(["--publish-manifests", "--key", good_key, "--key-statement", t.path("garbage.key")], USAGE, "--key-statement", "garbage.key")
    bad(["--publish-manifests", "--key", good_key, "--key-statement", t.path("good.revoked")], USAGE, "--key-statement", "revoked")
    bad(["--key-statement", t.path("good.revoked")], USAGE, "--key-statement", "--publish-manifests")
    bad(["--network-secret-file", "/nowhere.secret"], USAGE, "/nowhere.secret")
    bad(["--network-secret-file", t.path("short.secret", b"abc\n")], USAGE, "short.secret", "16")
    bad(["--startup-delay-ms", "-1"], USAGE, "--startup-delay-ms")
    bad(["--program", "70000"], USAGE, "--program")
    bad(["--program", "0"], USAGE, "--program")
    bad(["--channel", "five"], USAGE, "--channel", "five")
    bad(["--duration", "soon"], USAGE, "--duration")
    bad(["--profile", "ts-v9"], USAGE, "--profile", "ts-v9")
    bad(["--sign-damaged=no-idea"], USAGE, "--sign-damaged")
    signing = ["--publish-manifests", "--key", good_key]
    bad(["--second-source", "192.0.2.7:1"], USAGE, "--second-source", "--publish-manifests")
    for address in ("nowhere", "192.0.2.7:0", "moqt://192.0.2.7:1#spki=12"):
        bad([*signing, "--second-source", address], USAGE, "--second-source", address.split("#")[0])
    bad([*signing, *["--second-source", "192.0.2.7:1"] * 9], USAGE, "--second-source", "8")
    bad([*signing, "--announce", "--discovered-sources", "all"], USAGE, "--discovered-sources", "all")
    bad([*signing, "--discovered-sources", "repair"], USAGE, "--discovered-sources", "--announce")
    bad(["--announce", "--discovered-sources", "repair"], USAGE, "--discovered-sources", "--publish-manifests")
    bad([*signing, "--announce", "--discovered-sources", "ignore", "--trust-signer", "ed25519:" + "00" * 32], USAGE, "--trust-signer")
    for value in ("x", "-1", "51"):
        bad([*signing, "--repair-share-max", value], USAGE, "--repair-share-max")
    for value in ("x", "0", "60001"):
        bad([*signing, "--repair-wait-ms", value], USAGE, "--repair-wait-ms")
    second = [*signing, "--second-source", "192.0.2.7:1"]
    for key in ("ed25519:12", "nonsense"):
        bad([*second, "--trust-signer", key], USAGE, "--trust-signer")
    bad([*signing, "--trust-signer", "ed25519:" + "00" * 32], USAGE, "--trust-signer", "--second-source")
    bad([*signing, "--trust-file", "/nowhere.json"], USAGE, "--trust-file", "--second-source")
    bad([*second, "--trust-file", "/nowhere.json"], USAGE, "--trust-file", "/nowhere.json")
    bad(["--moq-version", "moqt-17"], USAGE, "--moq-version", "moqt-18, moq-lite-05")
    bad(["--moq-version", "moqt-18", "--moq-version", "moqt-18"], USAGE, "--moq-version", "twice")
    bad(["--no-early-data=x"], USAGE, "--no-early-data")
    for option in (["--connect-to", "192.0.2.7:1"], ["--tls-ca", good_key], ["--tls-insecure"]):
        bad(option, USAGE, option[0], "--relay")
    for address in ("nowhere", "192.0.2.7:0", "moqt://192.0.2.7:1#spki=12"):
        bad(["--relay", address], USAGE, "--relay", address.split("#")[0])
    bad(["--relay", "192.0.2.7:1", "--relay", "192.0.2.7:1"], USAGE, "--relay", "192.0.2.7:1", "twice")
    relays = ["--relay", "a.example:1", "--relay", "b.example:1"]
    bad([*relays, "--connect-to", "192.0.2.7:1"], USAGE, "--connect-to", "2 relays")
    bad([*relays, "--connect-to", "c.example:1=192.0.2.7:1"], USAGE, "--connect-to", "c.example:1")
    bad([*relays, "--connect-to", "a.example:1=moqt://192.0.2.7:1"], USAGE, "--connect-to", "HOST:PORT")
    bad([*relays, "--tls-ca", "/nowhere.pem"], USAGE, "--tls-ca", "/nowhere.pem")
    bad_input_keys.shown(t, bad, "--relay")
    bad(["--pace", "fast"], USAGE, "--pace")
    bad(["--pace", "-1"], USAGE, "--pace")
    bad(["--pace", "nan"], USAGE, "--pace")
    bad(["--state-dir", t.path("a-file", b"x")], USAGE, "--state-dir", "a-file")
    bad(["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], USAGE, "/nowhere.pem")
    bad(["--tls-cert", t.path("bad.pem", b"-----BEGIN"), "--tls-key", t.path("bad.pem")], USAGE, "bad.pem")
    bad(["--tls-cert", t.path("bad.pem")], USAGE, "--tls-key")
    bad(["--endpoint-addr-out", "/nowhere/addr"], USAGE, "--endpoint-addr-out", "/nowhere/addr")
    announce = ["--announce", "--directory", "http://127.0.0.1:1"]
    bad(["--announce=perhaps"], USAGE, "--announce")
    bad(["--directory", "http://127.0.0.1:1"], USAGE, "--directory", "--announce")
    bad(["--announce", "--directory", "ftp://127.0.0.1:1"], USAGE, "--directory", "http")
    bad(["--announce", "--directory", "http://user:pass@127.0.0.1:1"], USAGE, "--directory", "user information")
    bad([*announce, "--directory-token-file", "/nowhere.token"], USAGE, "--directory-token-file", "/nowhere.token")
    bad([*announce, "--directory-token-file", t.path("open.token", b"abc\n", 0o644)], USAGE, "--directory-token-file", "open.token")
    bad([*announce, "--directory-token-file", t.path("two.token", b"two words\n")], USAGE, "--directory-token-file", "visible")
    bad(["--gossip", "192.0.2.7:1"], USAGE, "--gossip", "--announce")
    bad(["--announce", "--gossip", "nowhere"], USAGE, "--gossip", "nowhere")
    bad(["--dht"], USAGE, "--dht", "--announce")
    bad(["--mdns"], USAGE, "--mdns", "--announce")
    dht(bad, ["--announce"])
    for address in ("nowhere", "0.0.0.0:1", "192.0.2.7:0", "user@192.0.2.7:1"):
        bad([*announce, "--announce-address", address], USAGE, "--announce-address", address)
    for value in ("x", "-1"):
        bad([*announce, "--announce-ttl-ms", value], USAGE, "--announce-ttl-ms")
    for value in ("1000", "86400000"):
        bad([*announce, "--announce-ttl-ms", value], USAGE, "--announce", "ttl_ms", "3000 to 3600000")
    bad(["--linger-ms", "x"], USAGE, "--linger-ms")
    bad(["--json=maybe"], USAGE, "--json")
    t.complete("moq-publish")


def dht(bad, how):
    bad([*how, "--dht=x"], USAGE, "--dht")
    for node in ("nowhere", "127.0.0.1:0", "user@127.0.0.1:1"):
        bad([*how, "--dht-bootstrap", node], USAGE, "--dht-bootstrap", node)
    bad([*how, *(a for i in range(17) for a in ("--dht-bootstrap", f"192.0.2.{i}:1"))], USAGE, "--dht-bootstrap", "16")
    bad([*how, "--dht-listen", "127.0.0.1:1"], USAGE, "--dht-listen", "--dht-bootstrap")
    bad([*how, "--dht", "--dht-listen", "eth0:1"], USAGE, "--dht-listen", "eth0")


def subscribe(t):
    base = ["--remote", "127.0.0.1:1", "--stream-id", STREAM]

    def bad(args, code, *says):
        without = [a for i in range(0, len(base), 2) if base[i] not in args for a in base[i:i + 2]]
        t.row("moq-subscribe", without + args, code, *says)

    t.row("moq-subscribe", [], USAGE, "--remote")
    t.row("moq-subscribe", ["--remote", "127.0.0.1:1"], USAGE, "--stream-id")
    for address in ("nowhere", "127.0.0.1:0", "moqt://127.0.0.1:1#spki=12", "http://127.0.0.1:1", ":1"):
        bad(["--remote", address], USAGE, "--remote", address.split("#")[0])
    bad(["--remote-manifests", "127.0.0.1:x"], USAGE, "--remote-manifests")
    bad(["--stream-id", "x"], USAGE, "--stream-id")
    bad(["--stream-id", STREAM.replace("ts-v1", "ts-v9")], USAGE, "--stream-id", "ts-v9")
    bad(["--subscribe-manifests=x"], USAGE, "--subscribe-manifests")
    bad(["--require-manifest=x"], USAGE, "--require-manifest")
    for key in ("ed25519:12", "rsa:" + "11" * 32, "ed25519:" + "zz" * 32, "ed25519:" + "00" * 32):
        bad(["--trust", key], USAGE, "--trust")
    for trust, says in ((b"{", "line"), (b'{"version": 2, "trust": []}', '"version"'), (b'{"version": 1, "trust": []}', '"trust"'),
                        (b'{"version": 1, "trust": [{"streams": "*"}]}', '"trust[0].keys"'),
                        (b'{"version": 1, "trust": [{"streams": "ec/*/x", "keys": ["%s"]}]}' % KEY.encode(), '"trust[0].streams"'),
                        (b'{"version": 1, "trust": [{"streams": "ec/stream/v1/broadcast/*", "keys": ["%s"]}]}' % KEY.encode(), STREAM)):
        bad(["--trust-file", t.path("trust.json", trust)], USAGE, "--trust-file", "trust.json", says)
    bad(["--trust-file", "/nowhere.json"], USAGE, "--trust-file", "/nowhere.json")
    bad(["--require-manifest", "--state-dir", t.path("a-file", b"x")], USAGE, "--state-dir", "a-file")
    bad(["--require-manifest", "--state-dir", "/proc/state"], USAGE, "--state-dir", "/proc/state")
    for value in ("0", "two", "-1"):
        bad(["--min-signers", value], USAGE, "--min-signers")
    bad(["--trust", KEY, "--min-signers", "2"], USAGE, "--min-signers")
    bad(["--max-invalid-chunks", "-1"], USAGE, "--max-invalid-chunks")
    bad(["--allow-damaged=x"], USAGE, "--allow-damaged")
    bad(["--hls-dir", t.path("hls-file", b"x")], USAGE, "hls-file")
    bad(["--hls-dir", "/proc/hls"], USAGE, "/proc/hls")
    bad(["--hls-mode", "sideways", "--hls-dir", t.path("hls")], USAGE, "--hls-mode", "sideways")
    bad(["--hls-window", "1", "--hls-dir", t.path("hls")], USAGE, "--hls-window")
    bad(["--objects-out", "/nowhere/objects"], USAGE, "--objects-out", "/nowhere/objects")
    bad(["--objects-out", t.path("not-objects", b"something else entirely")], USAGE, "--objects-out", "not-objects")
    bad(["--evidence-dir", t.path("evidence")], USAGE, "--evidence-dir", "--require-manifest")
    bad(["--require-manifest", "--evidence-dir", t.path("a-file", b"x")], USAGE, "--evidence-dir", "a-file")
    bad(["--require-manifest", "--evidence-dir", "/proc/evidence"], USAGE, "--evidence-dir", "/proc/evidence")
    bad(["--stop-after", "x"], USAGE, "--stop-after")
    bad(["--patience-ms", "x"], USAGE, "--patience-ms")
    bad(["--network-secret-file", "/nowhere.secret"], USAGE, "/nowhere.secret")
    bad(["--moq-version", "moq-lite-06"], USAGE, "--moq-version", "moqt-18, moq-lite-05")
    bad(["--moq-version", "moqt-16", "--moq-version", "moqt-16"], USAGE, "--moq-version", "twice")
    bad(["--tls-insecure=x"], USAGE, "--tls-insecure")
    bad_input_keys.shown(t, bad, "--remote")
    bad(["--tls-ca", "/nowhere.pem"], USAGE, "--tls-ca", "/nowhere.pem")
    bad(["--json=x"], USAGE, "--json")
    bad(["--discover=x"], USAGE, "--discover")
    bad(["--discover"], USAGE, "--directory")
    bad(["--directory", "http://127.0.0.1:1"], USAGE, "--directory", "--discover")
    bad(["--gossip", "192.0.2.7:1"], USAGE, "--gossip", "--discover")
    bad(["--discover", "--gossip", "nowhere"], USAGE, "--gossip", "nowhere")
    bad(["--dht"], USAGE, "--dht", "--discover")
    bad(["--mdns"], USAGE, "--mdns", "--discover")
    dht(bad, ["--discover"])
    bad(["--discover", "--directory", "127.0.0.1"], USAGE, "--directory", "http://")
    bad(["--discover", "--directory", "http://127.0.0.1:1", "--discover-policy", "any"], USAGE, "--discover-policy", "any", "direct-first")
    t.complete("moq-subscribe")


def simulate_tuner(t):
    def bad(args, code, *says):
        t.row("simulate-tuner", [*([] if "--listen" in args else ["--listen", "127.0.0.1:0"]), *args], code, *says)

    bad(["--file", "/nowhere.ts"], USAGE, "--file", "/nowhere.ts")
    bad(["--file", t.path("text.ts", b"this is no transport stream\n" * 500)], USAGE, "--file", "text.ts")
    bad(["--listen", "nowhere"], USAGE, "--listen")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bad(["--listen", f"127.0.0.1:{taken.getsockname()[1]}"], FAILED, str(taken.getsockname()[1]), "in use")
    bad(["--codec", "av1"], USAGE, "--codec", "av1")
    bad(["--channel", "five"], USAGE, "--channel", "five")
    bad(["--callsign", "lower case and long"], USAGE, "--callsign")
    bad(["--fault", "dance@3s"], USAGE, "--fault", "dance", "stall")
    bad(["--fault", "stall@soon"], USAGE, "--fault", "stall@soon", "10s")
    bad(["--fault", "reset@1s", "--fault", "reset@1s:4s"], USAGE, "--fault", "reset@1s:4s")
    bad(["--speed", "0"], USAGE, "--speed")
    bad(["--speed", "fast"], USAGE, "--speed")
    bad(["--tuners", "0"], USAGE, "--tuners")
    bad(["--loss", "1"], USAGE, "--loss", "share")
    bad(["--loss", "nan"], USAGE, "--loss", "share")
    bad(["--loss", "some"], USAGE, "--loss", "a number")
    bad(["--seed", "-1"], USAGE, "--seed", "a whole number")
    bad(["--endpoint-addr-out", "/nowhere/addr"], USAGE, "--endpoint-addr-out", "/nowhere/addr")
    for value in ("nowhere", "nowhere:65001", "[::1]:65001", "127.0.0.1:70000"):
        bad(["--control", value], USAGE, "--control", value)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        bad(["--control", address], FAILED, address, "control port", "in use")
    for value in ("10A1B2C8", "dance", ""):
        bad(["--device-id", value], USAGE, "--device-id", value)
    t.complete("simulate-tuner")


def discover(t):
    for value in ("a tuner", "192.0.2.7/lineup.json", "[::1]", "192.0.2.7:99999"):
        t.row("discover", ["--host", value], USAGE, "--host", value)
    t.row("discover", ["--host", "nowhere.invalid"], FAILED, "nowhere.invalid")
    t.row("discover", ["--device-id", "10A1B2C8"], USAGE, "--device-id", "10A1B2C8")
    for value in ("soon", "-1", "60001"):
        t.row("discover", ["--wait-ms", value], USAGE, "--wait-ms")
    t.row("discover", ["--json=x"], USAGE, "--json")
    t.complete("discover")


def directory(t):
    t.row("directory", ["--listen", "nowhere"], USAGE, "--listen")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        t.row("directory", ["--listen", f"127.0.0.1:{taken.getsockname()[1]}"], FAILED, str(taken.getsockname()[1]), "in use")
    t.row("directory", ["--listen", "127.0.0.1:0", "--token-file", "/nowhere.token"], USAGE, "--token-file", "/nowhere.token")
    t.row("directory", ["--listen", "127.0.0.1:0", "--token-file", t.path("empty.token", b"\n")], USAGE, "--token-file", "empty.token", "no token")
    t.row("directory", ["--listen", "127.0.0.1:0", "--endpoint-addr-out", "/nowhere/addr"], USAGE, "--endpoint-addr-out", "/nowhere/addr")
    t.complete("directory")


def relay(t):
    here = ["--listen", "127.0.0.1:0", "--state-dir", t.path("relay-state")]

    def bad(args, code, *says):
        t.row("relay", [*here, *args], code, *says)
    t.row("relay", ["--listen", "nowhere"], USAGE, "--listen")
    bad(["--http-listen", "nowhere"], USAGE, "--http-listen", "nowhere")
    bad(["--http-listen", "192.0.2.7:1"], FAILED, "--http-listen", "192.0.2.7:1")
    for origin in ("https://tv.example/watch", "ftp://tv.example", "two words", "https://tv.example:x"):
        bad(["--origin", origin], USAGE, "--origin", origin)
    bad(["--upstream", "nowhere:0"], USAGE, "--upstream", "nowhere:0")
    bad([x for i in range(65) for x in ("--upstream", f"127.0.0.1:{i + 1}")], USAGE, "--upstream", "64")
    for option in (["--connect-to", "192.0.2.7:1"], ["--tls-ca", "/nowhere.pem"], ["--tls-insecure"]):
        bad(option, USAGE, option[0], "--upstream")
    bad(["--upstream", "a.example:1", "--upstream", "a.example:1"], USAGE, "--upstream", "a.example:1", "twice")
    bad(["--upstream", "a.example:1", "--tls-ca", "/nowhere.pem"], USAGE, "--tls-ca", "/nowhere.pem")
    bad(["--upstream", "a.example:1", "--connect-to", "b.example:1=192.0.2.7:1"], USAGE, "--connect-to", "b.example:1")
    bad(["--upstream-cost", "1"], USAGE, "--upstream-cost", "--upstream")
    for cost in ("x", "-1", "1001", "1 ", "4294967296", "a.example:1="):
        bad(["--upstream", "a.example:1", "--upstream-cost", cost], USAGE, "--upstream-cost", "0 to 1000")
    bad(["--upstream", "a.example:1", "--upstream-cost", "b.example:1=1"], USAGE, "--upstream-cost", "b.example:1")
    bad(["--upstream", "a.example:1", "--upstream-cost", "1", "--upstream-cost", "a.example:1=2"], USAGE, "--upstream-cost", "two costs")
    bad(["--upstream", "a.example:1", "--upstream", "b.example:1", "--upstream-cost", "1"], USAGE, "--upstream-cost", "2 relays")
    t.row("relay", ["--listen", "127.0.0.1:0", "--state-dir", "/proc/nowhere"], USAGE, "--state-dir")
    bad(["--tls-cert", "/nowhere.pem"], USAGE, "--tls-cert", "--tls-key")
    bad(["--tls-key", "/nowhere.pem"], USAGE, "--tls-cert", "--tls-key")
    bad(["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], USAGE, "--tls-cert", "/nowhere.pem")
    bad(["--endpoint-addr-out", "/nowhere/addr"], USAGE, "--endpoint-addr-out", "/nowhere/addr")
    bad(["--no-early-data=x"], USAGE, "--no-early-data")
    someone = "ed25519:" + "00" * 32
    bad(["--require-manifest"], USAGE, "--require-manifest", "--trust-signer")
    bad(["--trust-signer", someone], USAGE, "--trust-signer", "--require-manifest")
    bad(["--trust-file", "/nowhere.json"], USAGE, "--trust-file", "--require-manifest")
    bad(["--network-secret-file", "/nowhere.secret"], USAGE, "--network-secret-file", "--require-manifest")
    bad(["--relay-unverified"], USAGE, "--relay-unverified", "--require-manifest")
    bad(["--require-manifest", "--trust-signer", "nonsense"], USAGE, "--trust-signer")
    bad(["--require-manifest", "--trust-file", "/nowhere.json"], USAGE, "--trust-file", "/nowhere.json")
    bad(["--require-manifest", "--trust-signer", someone, "--network-secret-file", "/nowhere.secret"], USAGE, "/nowhere.secret")
    bad(["--status-seconds", "86401"], USAGE, "--status-seconds")
    for option, value in (("--cache-mb", "0"), ("--moq-version", "moq-lite-99"), ("--moq-version", "moqt-17"), ("--cache-mb", "much"), ("--cache-age", "0"), ("--cache-age", "86401"), ("--publisher-linger-ms", "600001"),
                          ("--publisher-linger-ms", "-1"), ("--handover", "relay.example:4443"), ("--handover", "http://relay.example:4443"), ("--handover", "moqt://relay.example"),
                          ("--handover-timeout", "0"), ("--handover-timeout", "3601"), ("--handover-timeout", "soon"), ("--json", "perhaps")):
        bad([f"{option}={value}"], USAGE, option)
    bad_input_keys.relay_access(t, bad)
    t.complete("relay")


def interop_client(t):
    for value in ("nowhere:0", "http://127.0.0.1:1", "moqt://127.0.0.1:99999"):
        t.row("interop-client", ["--relay", value], USAGE, "--relay", value)
    t.row("interop-client", ["--test", "setup-onl"], NO_SUCH_CASE, "setup-onl", "--list")
    t.row("interop-client", ["--draft", "draft-07"], NO_SUCH_CASE, "draft-07", "draft-18", "draft-16")
    t.row("interop-client", ["--draft", "draft-"], NO_SUCH_CASE, "draft-18")
    t.row("interop-client", ["--list=x"], USAGE, "--list")
    t.row("interop-client", ["--tls-disable-verify=x"], USAGE, "--tls-disable-verify")
    t.complete("interop-client")


def bench(t):
    relay = ["--relay", "moqt://127.0.0.1:9"]
    t.row("bench", [], USAGE, "--relay")
    t.row("bench", ["--relay", "moqt://127.0.0.1:99999"], USAGE, "--relay")
    for option, values in {"publishers": ("0", "20001", "x"), "subscribers": ("0", "20001", "-1"), "object-bytes": ("7", "1048577", "big"),
                           "rate": ("0", "10001", "nan", "fast"), "group-objects": ("0", "100001", "x"), "duration-ms": ("0", "99", "x")}.items():
        for value in values:
            t.row("bench", relay + ["--" + option, value], USAGE, "--" + option)
    for option in ("warm-up-ms", "late-ms"):
        t.row("bench", relay + ["--" + option, "-1"], USAGE, "--" + option)
    t.row("bench", relay + ["--moq-version", ""], USAGE, "--moq-version")
    for value in ("moqt-17", "moq-lite-06"):
        t.row("bench", relay + ["--moq-version", value], USAGE, "--moq-version", "moqt-18, moq-lite-05")
    t.row("bench", relay + ["--relay-pid", "4194305"], USAGE, "--relay-pid", "4194305")
    for option in ("tls-disable-verify", "json"):
        t.row("bench", relay + [f"--{option}=x"], USAGE, "--" + option)
    t.row("bench", relay + ["--tls-disable-verify"], FAILED, "moqt://127.0.0.1:9")
    t.complete("bench")


def find(t):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{silent.getsockname()[1]}"
        t.row("find", ["--directory", nobody], FAILED, nobody)
        t.row("control-resolve", ["--directory", nobody, "--stream-id", STREAM, "--wait-ms", "0"], FAILED, nobody)
    for command in ("find", "control-resolve", "control-listen"):
        t.row(command, [], USAGE, "--directory")
        t.row(command, ["--directory", "nowhere"], USAGE, "--directory", "nowhere")
    t.row("find", ["--directory", nobody, "--name", ""], USAGE, "--name")
    t.row("find", ["--directory", nobody, "--json=x"], USAGE, "--json")
    t.complete("find")
    here = ["--directory", nobody]
    t.row("control-resolve", here, USAGE, "--stream-id")
    t.row("control-resolve", [*here, "--stream-id", "x"], USAGE, "--stream-id")
    t.row("control-resolve", [*here, "--stream-id", STREAM, "--policy", "any"], USAGE, "--policy", "any")
    t.row("control-resolve", [*here, "--stream-id", STREAM, "--wait-ms", "soon"], USAGE, "--wait-ms")
    there = ["--stream-id", STREAM]
    t.row("control-resolve", [*there, "--gossip", "nowhere"], USAGE, "--gossip", "nowhere")
    t.row("control-resolve", [*there, "--mdns=x"], USAGE, "--mdns")
    t.row("control-resolve", [*there, "--mdns", "--directory", "nowhere"], USAGE, "--directory", "nowhere")
    dht(lambda args, *says: t.row("control-resolve", args, *says), there)
    t.row("control-resolve", [*there, "--dht-bootstrap", "127.0.0.1:9", "--wait-ms", "0"], FAILED, "nobody announces it", STREAM)
    t.complete("control-resolve")
    t.row("control-listen", [*here, "--json=x"], USAGE, "--json")
    t.row("control-listen", ["--gossip", "nowhere"], USAGE, "--gossip", "nowhere")
    t.row("control-listen", ["--mdns=x"], USAGE, "--mdns")
    t.row("control-bridge", ["--listen", "127.0.0.1:0", "--mdns=x"], USAGE, "--mdns")
    t.row("control-listen", ["--dht"], USAGE, "--stream-id", "--dht")
    t.row("control-listen", ["--dht", "--stream-id", "x"], USAGE, "--stream-id")
    dht(lambda args, *says: t.row("control-listen", args, *says), ["--stream-id", STREAM])
    t.complete("control-listen")
    for have, lacks in ((here, "--gossip"), (["--gossip", "192.0.2.7:1"], "--directory")):
        t.row("control-bridge", have, USAGE, lacks)
    t.row("control-bridge", [*here, "--gossip", "nowhere"], USAGE, "--gossip", "nowhere")
    t.row("control-bridge", [*here, "--gossip", "192.0.2.7:1", "--directory-token-file", "/nowhere.token"], USAGE, "/nowhere.token")
    t.row("control-bridge", ["--listen", "nowhere"], USAGE, "--listen", "nowhere")
    t.row("control-bridge", ["--listen", "127.0.0.1:0", "--state-dir", "/proc/state"], USAGE, "--state-dir", "/proc/state")
    t.row("control-bridge", ["--listen", "127.0.0.1:0", "--endpoint-addr-out", "/nowhere/addr"], USAGE, "--endpoint-addr-out", "/nowhere/addr")
    t.row("control-bridge", [*here, "--json=x"], USAGE, "--json")
    t.row("control-bridge", ["--mdns"], USAGE, "--directory")
    t.row("control-bridge", [*here, "--dht"], USAGE, "--stream-id", "--dht")
    t.row("control-bridge", [*here, "--dht", "--stream-id", "x"], USAGE, "--stream-id")
    dht(lambda args, *says: t.row("control-bridge", args, *says), [*here, "--stream-id", STREAM])
    t.complete("control-bridge")


def announce(t, good_key):
    base = ["--directory", "http://127.0.0.1:1", "--stream-id", STREAM, "--endpoint", "moqt://192.0.2.7:1#spki=" + "ab" * 32, "--key", good_key]

    def bad(args, *says):
        without = [a for i in range(0, len(base), 2) if base[i] not in args for a in base[i:i + 2]]
        t.row("control-announce", without + args, USAGE, *says)

    t.row("control-announce", ["--key", good_key], USAGE, "--stream-id")
    t.row("control-announce", base[2:], USAGE, "--directory")
    t.row("control-announce", base[:4] + base[6:], USAGE, "--endpoint")
    bad(["--directory", "http://127.0.0.1:1/?key=secret"], "--directory", "query")
    bad(["--directory-token-file", "/nowhere.token"], "--directory-token-file", "/nowhere.token")
    bad(["--gossip", "nowhere"], "--gossip", "nowhere")
    bad(["--stream-id", "x"], "--stream-id")
    bad(["--alias", "x"], "--alias")
    bad(["--endpoint", "192.0.2.7:1"], "--endpoint", "#spki=")
    bad(["--endpoint", "https://192.0.2.7:1#spki=" + "ab" * 32], "--endpoint", "--relay")
    bad(["--relay", "https://user:secret@relay.example/"], "user information")
    bad(["--relay", "https://relay.example/?jwt=secret"], "query")
    bad(["--relay", "https://relay.example/", "--relay-broadcast", "two words"], "broadcast")
    bad(["--relay", "https://relay.example/", "--relay-track", "two words"], "track")
    bad(["--chunks=x"], "--chunks")
    bad(["--chunks=false", "--manifests=false"], "offers nothing")
    bad(["--source-node", "My Roof"], "source_node")
    bad(["--key", "/nowhere.key"], "--key", "/nowhere.key")
    t.row("control-announce", base[:6] + ["--state-dir", "/proc/state"], USAGE, "--state-dir", "/proc/state")
    bad(["--announce-ttl-ms", "10"], "ttl")
    bad(["--json=x"], "--json")
    t.complete("control-announce")


def lineup(t):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
        t.row("lineup", ["--host", nobody], FAILED, nobody)
    t.row("lineup", [], USAGE, "--host or --file")
    t.row("lineup", ["--host", nobody, "--file", t.path("empty.json", b"[]")], USAGE, "--host or --file")
    t.row("lineup", ["--host", "a tuner"], USAGE, "--host", "a tuner")
    t.row("lineup", ["--host", "192.0.2.7/lineup.json"], USAGE, "--host")
    t.row("lineup", ["--file", "/nowhere.json"], USAGE, "--file", "/nowhere.json")
    t.row("lineup", ["--file", t.path("page.json", b"<html>")], USAGE, "--file", "page.json", "line 1")
    t.row("lineup", ["--file", t.path("object.json", b'{"GuideNumber":"5.1"}')], USAGE, "object.json", "no array")
    t.row("lineup", ["--file", t.path("big.json", b"[" + b" " * 10_000_000 + b"]")], USAGE, "--file", "big.json")
    t.row("lineup", ["--file", t.path("empty.json"), "--profile", "ts-v9"], USAGE, "--profile", "ts-v9")
    t.row("lineup", ["--file", t.path("empty.json"), "--json=x"], USAGE, "--json")
    t.complete("lineup")


def verify(t):
    t.row("verify", [], USAGE, "HLS directory")
    t.row("verify", ["/nowhere"], NOT_VERIFIED, "/nowhere")
    t.row("verify", [t.path("garbage", b"garbage")], NOT_VERIFIED, "garbage")
    t.row("verify", [t.path("nothing", b"")], NOT_VERIFIED, "nothing")
    t.row("verify", [t.path("half.json", b'{"version": 1, "evidence": "gap"}')], NOT_VERIFIED, "half.json", "signer")
    t.row("verify", ["--trust", "ed25519:12", t.path("garbage")], USAGE, "--trust")
    t.row("verify", ["--trust-file", "/nowhere.json", t.path("garbage")], USAGE, "--trust-file", "/nowhere.json")
    t.row("verify", ["--trust-file", t.path("trust.json", b"[]"), t.path("garbage")], USAGE, "--trust-file", "trust.json")
    t.row("verify", ["--min-signers", "two", t.path("garbage")], USAGE, "--min-signers")
    t.row("verify", ["--network-secret-file", "/nowhere.secret", t.path("garbage")], USAGE, "/nowhere.secret")
    t.row("verify", ["--allow-unverified=x", t.path("garbage")], USAGE, "--allow-unverified")
    t.complete("verify")


def run(t):
    def config(text, *says):
        path = t.path("role.json", text.encode() if isinstance(text, str) else json.dumps(text).encode())
        t.row("run", ["--config", path], USAGE, "role.json", *says)

    t.row("run", [], USAGE, "--config")
    t.row("run", ["--config", "/nowhere.json"], USAGE, "/nowhere.json")
    t.row("run", ["--config", t.dir], USAGE, t.dir)
    config("")
    config("{", "line")
    config("[]", "role")
    config('{"role": "leader", "role": "relay"}', "role")
    config('{"role": "chief"}', '"role"', "chief")
    config('{"role": 7}', '"role"')
    config('{"role": "leader"}', '"publish"')
    config('{"role": "leader", "publish": 7}', '"publish"')
    config('{"role": "leader", "publish": {}, "subscribe": {}}', '"subscribe"')
    config('{"role": "leader", "publsh": {}}', '"publsh"', '"publish"')
    # Every key of both sections, with a value that no key takes, and beside a neighbour with a slip of the pen.
    for role, section, command in (("relay", "publish", "moq-publish"), ("subscriber", "subscribe", "moq-subscribe")):
        for option in t.options(command):
            if option in ("help", "log-format", "log-level"):
                continue
            key = option.replace("-", "_")
            config({"role": role, section: {key: {"a": []}}}, f'"{section}.{key}"', "expected")
            config({"role": role, section: {key + "x": 1}}, f'"{section}.{key}x"', f'"{key}"')
    t.complete("run")


def main():
    t = Table(sys.argv[1])
    good_key = t.path("good.key")
    subprocess.run([t.binary, "keygen", "--out", good_key], check=True, capture_output=True)
    every_command(t)
    bad_input_keys.keygen(t)
    bad_input_keys.key(t, good_key)
    bad_input_keys.token(t)
    publish(t, good_key)
    subscribe(t)
    simulate_tuner(t)
    discover(t)
    directory(t)
    find(t)
    relay(t)
    interop_client(t)
    bench(t)
    announce(t, good_key)
    lineup(t)
    verify(t)
    run(t)
    for failure in t.failures:
        print(f"FAIL: {failure}")
    shutil.rmtree(t.dir, ignore_errors=True)
    print(f"{t.rows} rows, {len(t.failures)} failures")
    sys.exit(1 if t.failures else 0)


if __name__ == "__main__":
    main()
