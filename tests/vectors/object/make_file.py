#!/usr/bin/env python3
"""Writes file-v1.json from the objects of v1.json: the bytes of an object file as docs/formats/object-file.md has them."""
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
TRACKS = {"chunks": 1, "damaged": 2, "manifests": 3}


def front(stream_id, version=1, magic=b"\x89ecobj\r\n"):
    name = stream_id.encode()
    return magic + struct.pack(">HH", version, len(name)) + name


def record(track, group, obj, payload, size=None):
    return struct.pack(">BQQI", TRACKS.get(track, track), group, obj, len(payload) if size is None else size) + payload


def main():
    chunk = json.loads((HERE / "v1.json").read_text())["chunks"][0]
    stream_id, group = chunk["stream_id"], chunk["group"]
    rows = [("manifests", group, 0, b'{"attestations":[],"content":{}}')]
    for o in chunk["objects"]:
        rows.append(("chunks", group, o["object"], o["text"].encode() if "text" in o else bytes.fromhex(o["hex"])))
    good = front(stream_id)
    refused = [
        ("a playlist", b"#EXTM3U\n", "malformed"),
        ("version 2", front(stream_id, version=2), "unsupported"),
        ("line ends translated on the way", front(stream_id, magic=b"\x89ecobj\n\n"), "malformed"),
        ("no stream id", front(""), "malformed"),
        ("a stream id over 512 bytes", front("x" * 513), "too-large"),
        ("track 0", good + record(0, 1, 0, b"x"), "malformed"),
        ("track 4", good + record(4, 1, 0, b"x"), "malformed"),
        ("an empty object", good + record("chunks", 1, 0, b""), "malformed"),
        ("a head over 4,096 bytes", good + record("chunks", 1, 0, b"", 4097), "too-large"),
        ("a tail over 262,144 bytes", good + record("damaged", 1, 5, b"", 262145), "too-large"),
        ("a manifest over 262,144 bytes", good + record("manifests", 1, 0, b"", 262145), "too-large"),
        ("a group id of 2^62", good + record("chunks", 1 << 62, 0, b"x"), "malformed"),
    ]
    doc = {
        "about": "Made by make_file.py. The container only: the manifest record holds no manifest; the others are the first chunk of v1.json.",
        "stream_id": stream_id,
        "records": [{"track": t, "group": g, "object": o, "hex": p.hex()} for t, g, o, p in rows],
        "file": (good + b"".join(record(*r) for r in rows)).hex(),
        "refused": [{"why": why, "file": data.hex(), "error": error} for why, data, error in refused],
    }
    (HERE / "file-v1.json").write_text(json.dumps(doc, indent=1) + "\n")


if __name__ == "__main__":
    main()
