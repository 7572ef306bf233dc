#!/usr/bin/env python3
"""Writes v1.json beside it: golden vectors of docs/formats/announcement.md, made without a line of ec-node.

Needs the Python package cryptography. Not part of the build: the vectors change when the format does.
"""
import json
import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

STREAM = "ec/stream/v1/broadcast/standard-atsc/channel-9.1/callsign-kulx/profile-ts-v1/variant-main"
TSID = "ec/stream/v1/broadcast/standard-atsc/tsid-2049/channel-9.1"
SPKI = "b9ea6f35050aec5241505cf4d53aba59d3869b3db5fd8b7fde6c8b8f8eb33c91"
DIRECT = {"kind": "direct", "address": "192.0.2.7:4443", "alpn": "moqt-18", "spki": SPKI}
RELAY = {"kind": "relay_moq", "url": "https://relay.example/moq", "broadcast": "every.channel/kulx", "tracks": ["chunks", "manifests"]}


def canonical(value):
    # Enough of RFC 8785 for these documents: ASCII keys, whole numbers, ASCII strings.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def key(number):
    secret = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return secret, "ed25519:" + secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def body(**changes):
    out = {"version": 1, "stream_id": STREAM, "offers": ["chunks", "manifests"], "transports": [DIRECT], "source_node": "roof", "signer": key(1)[1],
           "sequence": 1795245501844, "updated_unix_ms": 1795245501844, "ttl_ms": 60000}
    out.update(changes)
    return {k: v for k, v in out.items() if v is not None}


def sealed(value, number=1):
    signature = key(number)[0].sign(b"every.channel/announcement/v1\0" + canonical(value).encode()).hex()
    return canonical({**value, "signature": signature})


def good(name, value):
    encoded = sealed(value)
    suffix = value["stream_id"][value["stream_id"].index("/profile-"):]
    return {"name": name, "encoded": encoded, "bytes": len(encoded), "fits_dht": len(encoded) <= 996,
            "names": [value["stream_id"], *(a + suffix for a in value.get("aliases", []))]}


def refused(name, value, error="malformed"):
    return {"name": name, "encoded": value if isinstance(value, str) else sealed(value), "error": error}


def main():
    many = [{**RELAY, "url": f"https://relay{i}.example/{'x' * 150}"} for i in range(4)]
    usual = sealed(body())
    vectors = {
        "announcements": [
            good("a node that is reached directly", body()),
            good("with an alias and a relay", body(aliases=[TSID], transports=[DIRECT, RELAY])),
            good("withdrawn", body(transports=[], sequence=1795245501845)),
            good("too large for the DHT", body(transports=many)),
        ],
        "refused": [
            refused("no JSON", "announcement"),
            refused("another version", body(version=2), "unsupported"),
            refused("an unknown member", body(region="ohio")),
            refused("no signer", body(signer=None)),
            refused("spaces", usual.replace(",", ", ", 1)),
            refused("a member twice", usual.replace('{"offers"', '{"offers":["chunks"],"offers"', 1)),
            refused("a stream id of none", body(stream_id="ec/stream/v1/kulx")),
            refused("an alias that is no key", body(aliases=[TSID + "/profile-ts-v1/variant-main"])),
            refused("its own name as an alias", body(aliases=[STREAM[:STREAM.index("/profile-")]])),
            refused("aliases out of order", body(aliases=[TSID, TSID.replace("2049", "2048")])),
            refused("no aliases, written out", body(aliases=[])),
            refused("nothing offered", body(offers=[])),
            refused("offers out of order", body(offers=["manifests", "chunks"])),
            refused("another offer", body(offers=["chunks", "guide"])),
            refused("a wildcard address", body(transports=[{**DIRECT, "address": "0.0.0.0:4443"}])),
            refused("port 0", body(transports=[{**DIRECT, "address": "192.0.2.7:0"}])),
            refused("a short digest", body(transports=[{**DIRECT, "spki": SPKI[:-2]}])),
            refused("a pin in upper case", body(transports=[{**DIRECT, "spki": SPKI.upper()}])),
            refused("a transport of another kind", body(transports=[{**DIRECT, "kind": "pigeon"}])),
            refused("a user in a URL", body(transports=[{**RELAY, "url": "https://user:secret@relay.example/moq"}])),
            refused("a query in a URL", body(transports=[{**RELAY, "url": "https://relay.example/moq?jwt=secret"}])),
            refused("a fragment in a URL", body(transports=[{**RELAY, "url": "https://relay.example/moq#x"}])),
            refused("plain HTTP", body(transports=[{**RELAY, "url": "http://relay.example/moq"}])),
            refused("moqt without a port", body(transports=[{**RELAY, "url": "moqt://relay.example/moq"}])),
            refused("tracks out of order", body(transports=[{**RELAY, "tracks": ["manifests", "chunks"]}])),
            refused("a track twice", body(transports=[{**RELAY, "tracks": ["chunks", "chunks"]}])),
            refused("nine transports", body(transports=[{**DIRECT, "address": f"192.0.2.{i}:1"} for i in range(9)]), "too-large"),
            refused("over 2,048 bytes", body(transports=[{**RELAY, "url": f"https://relay{i}.example/{'x' * 250}"} for i in range(5)]), "too-large"),
            refused("sequence 0", body(sequence=0)),
            refused("a ttl of a second", body(ttl_ms=1000)),
            refused("a ttl of a day", body(ttl_ms=86400000)),
            refused("a node with a space", body(source_node="my roof")),
            refused("half a signature", usual.replace('"signature":"', '"signature":"ab')),
        ],
    }
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "v1.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(vectors, out, indent=1)
        out.write("\n")
    corpus = os.path.join(os.path.dirname(path), "../../fuzz/announcement")
    for number, v in enumerate(vectors["announcements"] + vectors["refused"]):
        with open(os.path.join(corpus, f"{number:02}"), "w", encoding="utf-8") as out:
            out.write(v["encoded"])


if __name__ == "__main__":
    main()
