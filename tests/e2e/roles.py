#!/usr/bin/env python3
"""The roles from config files, as a unit file would start them: leader, relay and subscriber (or all of it in one process) by
`ec-node run --config`, ended by SIGTERM: the segment under way is finished, every process ends with 0.

usage: roles.py EC_NODE mesh | all-in-one | moq-relay
"""
import json
import pathlib
import sys

import mesh
from mesh import check

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "config"


class Roles(mesh.Mesh):
    def role(self, name, **changes):
        """Starts a role from its sample of deploy/config with only addresses and directories changed."""
        config = json.loads((SAMPLES / f"{name}.json").read_text())
        for part, values in changes.items():
            for key, value in values.items():
                if value is None:
                    config[part].pop(key, None)
                else:
                    config[part][key] = str(value) if isinstance(value, pathlib.Path) else value
        path = self.dir / f"{name}.json"
        path.write_text(json.dumps(config, indent=2))
        return self.start(name, "run", "--config", path, "--log-level", "info")

    def segments_written(self, count):
        self.wait_for(f"{count} segments", lambda: len(self.segments()) >= count)

    def settled(self, signer):
        playlist = (self.dir / "hls" / "index.m3u8").read_text()
        check("#EXT-X-ENDLIST" in playlist, "the playlist is finished")
        verified = self.run("verify", self.dir / "hls", "--trust", signer)
        check(verified.returncode == 0, f"ec-node verify finds it right: {verified.stdout.strip().splitlines()[-1:]}")


def in_processes(m):
    signer = m.keygen("leader")
    source = f"{m.tuner()}/auto/v5.1"
    common = {"input": source, "stream_id": mesh.STREAM, "listen": "127.0.0.1:0"}
    m.role("leader", publish={**common, "key": m.dir / "leader.key", "state_dir": m.dir / "leader-state",
                              "endpoint_addr_out": m.dir / "leader.addr"})
    m.role("relay", publish={**common, "state_dir": m.dir / "relay-state", "endpoint_addr_out": m.dir / "relay.addr"})
    m.role("subscriber", subscribe={"remote_manifests": m.address("leader"), "remote": [m.address("relay")], "stream_id": mesh.STREAM,
                                    "tls_insecure": None, "trust": [signer], "hls_dir": m.dir / "hls", "state_dir": m.dir / "subscriber-state"})
    m.segments_written(2)
    # From the subscriber back: nobody sees a fault.
    for name in ("subscriber", "relay", "leader", "tuner"):
        m.end(name)
    m.settled(signer)


def in_one(m):
    signer = m.keygen("leader")
    source = f"{m.tuner()}/auto/v5.1"
    m.role("all-in-one", publish={"input": source, "stream_id": mesh.STREAM, "listen": "127.0.0.1:0", "key": m.dir / "leader.key",
                                  "state_dir": m.dir / "state"}, subscribe={"hls_dir": m.dir / "hls"})
    m.segments_written(2)
    m.end("all-in-one")
    m.settled(signer)


def through_a_relay(m):
    signer = m.keygen("leader")
    m.role("moq-relay", relay={"listen": "127.0.0.1:0", "state_dir": m.dir / "moq-relay-state", "endpoint_addr_out": m.dir / "moq-relay.addr",
                               "status_seconds": 1, "json": True})
    relay = m.address("moq-relay")
    m.role("leader", publish={"input": f"{m.tuner()}/auto/v5.1", "stream_id": mesh.STREAM, "listen": "127.0.0.1:0", "key": m.dir / "leader.key",
                              "publish_chunks": True, "state_dir": m.dir / "leader-state", "relay": [relay]})
    m.role("subscriber", subscribe={"remote_manifests": None, "remote": [relay], "stream_id": mesh.STREAM, "tls_insecure": None, "trust": [signer],
                                    "hls_dir": m.dir / "hls", "state_dir": m.dir / "subscriber-state"})
    m.segments_written(2)
    told = lambda event: [e for e in m.events("moq-relay") if e["event"] == event]
    m.wait_for("the relay tells its state", lambda: [e for e in told("relay-status") if e["publishers"] == 1 and e["subscribers"] >= 2 and e["sessions"] == 2])
    for name in ("subscriber", "leader", "moq-relay", "tuner"):
        m.end(name)
    m.settled(signer)
    totals = told("relay-totals")
    check(len(totals) == 1 and totals[0]["objects"] > 20 and totals[0]["upstreams"] == 0 and "conflicts" not in totals[0], f"the relay counted: {totals}")


def main():
    binary, what = sys.argv[1], sys.argv[2]
    with Roles(binary, "roles") as m:
        {"mesh": in_processes, "all-in-one": in_one, "moq-relay": through_a_relay}[what](m)


if __name__ == "__main__":
    main()
