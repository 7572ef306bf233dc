#!/usr/bin/env python3
"""A broadcast that comes as RTP datagrams and one that comes over HTTP give the same chunks: a leader reads the one, a publisher the other, and a subscriber
takes manifests from the leader and objects from the publisher.

usage: inputs.py EC_NODE rtp
"""
import socket
import struct
import sys
import zlib

import mesh
from mesh import check


class Control:
    """The control connection of a simulated tuner."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)

    def set(self, name, value):
        fields = b"".join(bytes([tag, len(text) + 1]) + text.encode() + b"\0" for tag, text in ((3, name), (4, value)))
        packet = struct.pack(">HH", 4, len(fields)) + fields
        self.socket.sendall(packet + struct.pack("<I", zlib.crc32(packet)))
        head = self.read(4)
        said = self.read(struct.unpack(">H", head[2:])[0] + 4)
        check(b"ERROR" not in said, f"{name} is {value}")

    def read(self, size):
        out = b""
        while len(out) < size:
            part = self.socket.recv(size - len(out))
            assert part, "the control connection ended"
            out += part
        return out


def main():
    binary = sys.argv[1]
    with mesh.Mesh(binary, "inputs") as m:
        key = m.keygen("leader")
        tuner = m.tuner("--codec", "h264", "--control", "127.0.0.1:0")
        control = m.wait_for("the control address", lambda: [line.split()[1] for line in (m.dir / "tuner.out").read_text().splitlines() if line.startswith("control")])[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        leader = m.leader(f"rtp://127.0.0.1:{port}", "leader", "--json")
        device = Control(control)
        device.set("/tuner0/channel", "auto:14")

        # A target that nobody listens to yet is given up: asked for again until the leader hears it.
        def heard():
            device.set("/tuner0/target", f"rtp://127.0.0.1:{port}")
            try:
                m.wait_for("the program", lambda: any(e["event"] == "program-selected" for e in m.events("leader")), seconds=5)
                return True
            except AssertionError:
                return False
        check(m.wait_for("the leader hears the datagrams", heard), "the leader reads RTP")
        relay = m.publisher("relay", f"{tuner}/auto/v5.1", "--json")
        code, events = m.subscribe("--remote-manifests", leader, "--remote", relay, "--require-manifest", "--trust", key, "--stop-after", "3")
        chunks = [e for e in events if e["event"] == "chunk"]
        check(code == 0 and len(chunks) == 3 and all(e["verified"] and not e["damaged"] for e in chunks),
              "chunks that came over HTTP are those that the leader cut from RTP")
        check(not any(e["event"] == "input-fault" for e in m.events("leader")), "and nothing failed")


if __name__ == "__main__":
    main()
