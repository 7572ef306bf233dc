#!/usr/bin/env python3
"""Writes manifest.json beside it: golden vectors of docs/formats/manifest.md, made without a line of ec-node.

Needs the Python packages blake3 and cryptography. Not part of the build: the vectors change when the format does.
"""
import json
import os

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

DOMAIN = b"every.channel/manifest/v1/"
STREAM = "ec/stream/v1/broadcast/standard-atsc/tsid-2049/program-3/channel-9.1/callsign-kulx/profile-ts-v1/variant-main"


def canonical(value):
    # Enough of RFC 8785 for these documents: ASCII keys, whole numbers, ASCII strings.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest(domain, data):
    return blake3(DOMAIN + domain + b"\0" + data).digest()


def leaf(index, state, chunk):
    return digest(b"leaf", index.to_bytes(8, "big") + bytes([state]) + chunk)


def split(count):
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return digest(b"node", tree(leaves[:k]) + tree(leaves[k:]))


def path(leaves, position):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if position < k:
        return path(leaves[:k], position) + [tree(leaves[k:])]
    return path(leaves[k:], position - k) + [tree(leaves[:k])]


def content(start, chunks):
    """chunks: (state, digest) with state 0 whole, 1 damaged, 2 missing."""
    leaves = [leaf(start + i, state, chunk) for i, (state, chunk) in enumerate(chunks)]
    root = digest(b"root", len(leaves).to_bytes(8, "big") + tree(leaves))
    out = {
        "version": 1,
        "stream_id": STREAM,
        "epoch_id": start // len(chunks),
        "chunk_duration_ms": 2000,
        "encoder_profile_id": "ts-v1",
        "chunk_start_index": start,
        "total_chunks": len(chunks),
        "chunks": [None if state == 2 else chunk.hex() for state, chunk in chunks],
        "merkle_root": root.hex(),
    }
    damaged = [i for i, (state, _) in enumerate(chunks) if state == 1]
    if damaged:
        out["damaged"] = damaged
    return out, leaves


def manifest_id(body):
    return digest(b"id", canonical(body))


def key(number):
    secret = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return secret, secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def attest(number, identifier, sequence, signed, broadcast=None, previous=None, extra=None):
    secret, public = key(number)
    extra = extra or {}
    message = (DOMAIN + b"attestation\0" + identifier + public + sequence.to_bytes(8, "big") + signed.to_bytes(8, "big")
               + bytes([(1 if broadcast is not None else 0) | (2 if previous else 0) | (4 if extra else 0)])
               + (broadcast or 0).to_bytes(8, "big") + (previous or bytes(32))
               + (digest(b"extra", canonical(extra)) if extra else bytes(32)))
    signature = secret.sign(message)
    out = {"signer": "ed25519:" + public.hex(), "sequence": sequence, "signed_unix_ms": signed, "signature": signature.hex()} | extra
    if broadcast is not None:
        out["broadcast_unix_ms"] = broadcast
    if previous:
        out["previous"] = previous.hex()
    return out, message, digest(b"chain", message + signature)


def key_statement(kind, number, following, signed):
    """docs/formats/trust.md; kind: rotate or revoke."""
    secret, public = key(number)
    message = (b"every.channel/key-statement/v1\0" + bytes([1 if kind == "rotate" else 2]) + public
               + (key(following)[1] if following else bytes(32)) + signed.to_bytes(8, "big"))
    out = {"version": 1, "key_statement": kind, "key": "ed25519:" + public.hex(), "signed_unix_ms": signed, "signature": secret.sign(message).hex()}
    if following:
        out |= {"next": "ed25519:" + key(following)[1].hex(), "next_signature": key(following)[0].sign(message).hex()}
    return out, message


def chunk(number):
    return blake3(b"chunk %d" % number).digest()


def text(value):
    return canonical(value).decode()


def main():
    vectors = {"about": "Golden vectors of docs/formats/manifest.md, written by make.py. Key N has the seed of 32 bytes N.",
               "keys": [{"seed": (bytes([n]) * 32).hex(), "public": "ed25519:" + key(n)[1].hex()} for n in (1, 2)],
               "stream_id": STREAM}
    one, _ = content(885300000, [(0, chunk(0))])
    five, leaves = content(885300005, [(0, chunk(0)), (1, chunk(1)), (2, bytes(32)), (0, chunk(3)), (1, chunk(4))])
    whole, _ = content(885300005, [(0, chunk(i)) for i in range(5)])
    vectors["contents"] = [{"name": name, "canonical": text(body), "manifest_id": manifest_id(body).hex(), "merkle_root": body["merkle_root"]}
                           for name, body in (("one whole chunk", one), ("damaged and missing chunks", five), ("five whole chunks", whole))]
    vectors["proofs"] = [{"chunk_index": 885300005 + i, "state": [0, 1, 2, 0, 1][i], "digest": (bytes(32) if i == 2 else chunk(i)).hex(),
                          "chunk_start_index": 885300005, "total_chunks": 5, "merkle_root": five["merkle_root"],
                          "leaf": leaves[i].hex(), "path": [p.hex() for p in path(leaves, i)]} for i in range(5)]

    first, first_message, first_digest = attest(1, manifest_id(one), 1770000000000, 1770000000123, 1770000005000)
    second, second_message, second_digest = attest(1, manifest_id(five), 1770000000001, 1770000002123, None, first_digest, {"x-note": "a"})
    other, other_message, other_digest = attest(2, manifest_id(one), 7, 1770000000456)
    vectors["attestations"] = [
        {"name": name, "manifest_id": manifest_id(body).hex(), "signed_bytes": message.hex(), "digest": d.hex(), "attestation": a}
        for name, body, a, message, d in (("the first of a chain", one, first, first_message, first_digest),
                                          ("the next, with an extra member", five, second, second_message, second_digest),
                                          ("another signer", one, other, other_message, other_digest))]
    repaired = [{"index": 885300005, "packets": 12, "of": 13340}, {"index": 885300008, "packets": 0, "of": 900}]
    third, third_message, third_digest = attest(2, manifest_id(five), 8, 1770000003456, None, other_digest, {"x-repaired": repaired})
    vectors["attestations"].append({"name": "of chunks that were repaired", "manifest_id": manifest_id(five).hex(), "signed_bytes": third_message.hex(),
                                    "digest": third_digest.hex(), "attestation": third})
    good = {"attestations": [first], "content": one}
    rotated, rotated_message = key_statement("rotate", 1, 2, 1770000000789)
    revoked, revoked_message = key_statement("revoke", 1, None, 1770000000790)
    vectors["objects"] = [
        {"name": "object 0", "payload": text(good)},
        {"name": "the next epoch", "payload": text({"attestations": [second], "content": five})},
        {"name": "a late attestation", "payload": text({"attestations": [other], "manifest_id": manifest_id(one).hex()})},
        {"name": "with repaired chunks", "payload": text({"attestations": [third], "content": five})},
        {"name": "two signers at once", "payload": text({"attestations": [first, other], "content": one})},
        {"name": "with key statements", "payload": text({"attestations": [other], "content": one, "key_statements": [rotated, revoked]})}]
    vectors["key_statements"] = [{"name": name, "file": text(s) + "\n", "signed_bytes": message.hex()}
                                 for name, s, message in (("key 1 names key 2", rotated, rotated_message), ("key 1 is revoked", revoked, revoked_message))]

    # What a reader of "x-repaired" makes of it, beside the content of five chunks; what it cannot read it ignores.
    def entry(**members):
        return {k: v for k, v in ({"index": 885300005, "packets": 1, "of": 900} | members).items() if v != "drop"}

    vectors["repaired"] = [{"name": name, "member": member, "error": error} for name, member, error in (
        ("two chunks", repaired, None),
        ("only where it begins", [entry(packets=0)], None),
        ("all of it", [entry(packets=900)], None),
        ("a list of nothing", [], "malformed"),
        ("no list", {"index": 885300005}, "malformed"),
        ("a number", [1], "malformed"),
        ("more packets than there are", [entry(packets=901)], "malformed"),
        ("no packets at all", [entry(packets=0, of=0)], "malformed"),
        ("more packets than a chunk has", [entry(of=400000)], "malformed"),
        ("a negative number", [entry(packets=-1)], "malformed"),
        ("a member missing", [entry(of="drop")], "malformed"),
        ("a member too many", [entry(source="x")], "malformed"),
        ("a chunk twice", [entry(), entry()], "malformed"),
        ("not in order", [entry(index=885300008), entry()], "malformed"),
        ("a damaged chunk", [entry(index=885300006)], "malformed"),
        ("a missing chunk", [entry(index=885300007)], "malformed"),
        ("a chunk of another epoch", [entry(index=885300010)], "malformed"),
        ("seventeen", [entry(index=i) for i in range(17)], "too-large"))]

    def changed(**members):
        body = dict(one) | members
        return {"attestations": [first], "content": {k: v for k, v in body.items() if v != "drop"}}

    def said(**members):
        a = dict(first) | members
        return {"attestations": [{k: v for k, v in a.items() if v != "drop"}], "content": one}

    refused = [
        ("a space", text(good) + " ", "malformed"),
        ("trailing bytes", text(good) + "{}", "malformed"),
        ("members in another order", text(good).replace('"attestations":', '"z":', 1), "malformed"),
        ("not sorted", '{"content":%s,"attestations":%s}' % (text(one), text([first])), "malformed"),
        ("a key twice", text(good).replace('"version":1', '"version":1,"version":1'), "malformed"),
        ("a number with a fraction", text(good).replace('"version":1', '"version":1.0'), "malformed"),
        ("a number beyond 2^53", text(changed(chunk_start_index=2**53 + 2, epoch_id=2**53 + 2)), "malformed"),
        ("a negative number", text(changed(epoch_id=-1)), "malformed"),
        ("an unknown member", text(changed(codec="x")), "malformed"),
        ("an extra member in the content", text(changed(**{"x-note": 1})), "malformed"),
        ("an unknown member of an attestation", text(said(note=1)), "malformed"),
        ("another version", text(changed(version=2)), "unsupported"),
        ("another root", text(changed(merkle_root="00" * 32)), "mismatch"),
        ("an upper-case digest", text(good).replace(one["chunks"][0], one["chunks"][0].upper()), "malformed"),
        ("another count", text(changed(total_chunks=2)), "malformed"),
        ("no chunks", text(changed(chunks=[], total_chunks=0)), "malformed"),
        ("an epoch that is not aligned", text(changed(epoch_id=7)), "malformed"),
        ("nothing but missing chunks", text(changed(chunks=[None])), "malformed"),
        ("an empty list of damaged chunks", text(changed(damaged=[])), "malformed"),
        ("a damaged chunk that is not there", text(changed(damaged=[1])), "malformed"),
        ("a duration of nothing", text(changed(chunk_duration_ms=0)), "malformed"),
        ("a stream id that is none", text(changed(stream_id="news")), "malformed"),
        ("no root", text(changed(merkle_root="drop")), "malformed"),
        ("no attestations", text({"attestations": [], "content": one}), "malformed"),
        ("a signer twice", text({"attestations": [first, first], "content": one}), "malformed"),
        ("a sequence of 0", text(said(sequence=0)), "malformed"),
        ("a signer of small order", text(said(signer="ed25519:" + "00" * 32)), "malformed"),
        ("a short signature", text(said(signature=first["signature"][2:])), "malformed"),
        ("null where a member may be absent", text(said(previous=None)), "malformed"),
        ("seventeen attestations", text({"attestations": [attest(n, manifest_id(one), 1, 1)[0] for n in range(1, 18)], "content": one}), "too-large"),
        ("nine extra members", text(said(**{"x-%d" % n: n for n in range(9)})), "too-large"),
        ("a large extra member", text(said(**{"x-note": "a" * 1100})), "too-large"),
        ("no key statements", text(good | {"key_statements": []}), "malformed"),
        ("nine key statements", text(good | {"key_statements": [revoked] * 9}), "too-large"),
        ("a key statement of another version", text(good | {"key_statements": [revoked | {"version": 2}]}), "unsupported"),
        ("a key statement of an unknown kind", text(good | {"key_statements": [revoked | {"key_statement": "retire"}]}), "malformed"),
        ("a rotation to nobody", text(good | {"key_statements": [revoked | {"key_statement": "rotate"}]}), "malformed"),
        ("a revocation with a next key", text(good | {"key_statements": [rotated | {"key_statement": "revoke"}]}), "malformed"),
        ("a key that succeeds itself", text(good | {"key_statements": [rotated | {"next": rotated["key"]}]}), "malformed"),
        ("a key statement with one member more", text(good | {"key_statements": [revoked | {"x-note": 1}]}), "malformed"),
        ("key statements beside late attestations",
         text({"attestations": [other], "key_statements": [revoked], "manifest_id": manifest_id(one).hex()}), "malformed"),
        ("a list", "[]", "malformed"),
        ("nothing", "", "malformed"),
    ]
    vectors["refused"] = [{"why": why, "payload": payload, "error": error} for why, payload, error in refused]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "manifest.json"), "w", encoding="utf-8") as out:
        json.dump(vectors, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
