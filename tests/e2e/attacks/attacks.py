#!/usr/bin/env python3
"""Attackers beside an honest mesh, each with a subscriber of its own: not one unverified byte reaches HLS, the honest source's chunks
all come, memory stays under a bound, and a counter and a log line name the attack. What each attacker does is in mischief.hpp, the rule
that stops it in docs/security.md.

usage: attacks.py EC_NODE ATTACKER GROUP              the test
       attacks.py EC_NODE ATTACKER GROUP --delays     and each chunk at most one chunk late: the benchmark, for a quiet machine
"""
import dataclasses
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import mesh
from mesh import check

CHUNK_S = 2.0
CHUNKS = 7  # of the honest source, under attack
SIGNED_BEFORE_FREEZE = 2
RSS_MB = 128  # of a subscriber: its peak, whatever the attack


@dataclasses.dataclass
class Attack:
    name: str
    refused: tuple  # one of these refusals must be counted, and one of them logged
    source: str = "objects"  # what the attacker gives: objects; manifests too (both); or it alone gives manifests (only)
    insider: bool = False  # it holds a key that the subscriber trusts
    thief: bool = False  # the same, and the honest leader's manifests carry that key's revocation
    events: tuple = ()  # that must be printed besides
    counter: str = ""  # that counts it, where nothing is refused


GROUPS = {
    "objects": [
        Attack("flipped-bytes", ("unauthentic_piece",)),
        Attack("false-reading", ("piece_mismatch", "chunk_mismatch")),
        Attack("swapped-groups", ("unauthentic_piece",)),
        Attack("replayed-old-chunks", ("piece_mismatch", "chunk_mismatch")),
        Attack("truncated", ("unauthentic_piece", "malformed_piece")),
        Attack("oversized", ("malformed_piece",)),
    ],
    "shapes": [
        Attack("endless-objects", ("piece_mismatch",)),
        Attack("other-stream", ("wrong_key",)),
        Attack("head-payload-disagree", ("head_mismatch",)),
        Attack("merkle-length", ("malformed_tail",)),
        Attack("merkle-position", ("malformed_tail",)),
    ],
    "manifests": [
        Attack("forged-manifest", ("manifest_bad_signature",), "both"),
        Attack("untrusted-key", ("manifest_untrusted",), "both"),
        Attack("revoked-key", ("manifest_key_revoked",), "both", thief=True, events=("key-revoked",)),
        Attack("rolled-back-manifest", ("manifest_rollback",), "both", insider=True),
        Attack("stale-manifest", ("manifest_stale",), "both", insider=True),
        Attack("far-future", (), "both", insider=True, events=("signer-crowds",), counter="manifests_crowded_out"),
        Attack("mix-and-match", ("manifest_wrong_group",), "both", insider=True),
        Attack("equivocation", ("manifest_equivocation",), "both", insider=True, events=("equivocation",)),
    ],
    "floods": [
        Attack("tiny-manifests", ("manifest_untrusted", "manifest_bad_signature"), "both"),
        Attack("json-depth", ("manifest_too_large",), "both"),
        Attack("json-length", ("manifest_too_large",), "both"),
        Attack("json-numbers", ("manifest_malformed",), "both"),
        Attack("freeze", (), "only", insider=True, events=("manifests-frozen",)),
    ],
}


def peak_mb(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def seen(events, attack):
    reasons = {e["reason"] for e in events if e["event"] == "rejected"}
    return (not attack.refused or reasons & set(attack.refused)) and {e["event"] for e in events} >= set(attack.events)


class Fight(mesh.Mesh):
    def attacker(self, program, attack, tuner, leader):
        name = f"attacker-{attack.name}"
        more = ["--key", self.dir / ("insider.key" if attack.insider else "stolen.key")] if attack.insider or attack.thief else []
        self.start(name, "--attack", attack.name, "--input", tuner, "--stream-id", mesh.STREAM, "--state-dir", self.dir / f"{name}-state",
                   "--endpoint-addr-out", self.dir / f"{name}.addr", "--claim", leader, *more, program=program)

    def taker(self, name, *args):
        return self.start(name, "moq-subscribe", "--stream-id", mesh.STREAM, "--json", "--require-manifest", "--hls-dir", self.dir / f"{name}-hls",
                          "--log-level", "info", *args)

    def on_disk(self, name):
        """When each chunk was on the disk, microseconds."""
        return {e["chunk"]: e["on_disk_unix_us"] for e in self.events(name) if e["event"] == "segment"}


def judge(m, attack, keys, reference, peak, delays):
    name = attack.name
    events = m.events(name)
    totals = mesh.totals(events)
    chunks = [e for e in events if e["event"] == "chunk"]
    check(chunks and all(e["verified"] for e in chunks), f"{name}: all of {len(chunks)} chunks are verified")
    verified = m.run("verify", m.dir / f"{name}-hls", *(k for key in keys for k in ("--trust", key)))
    check(verified.returncode == 0, f"{name}: what stands on the disk is what a trusted key signed")
    log = (m.dir / f"{name}.log").read_text()
    for event in attack.events:
        check(any(e["event"] == event for e in events) and event in log, f"{name}: {event} is reported, and logged")
    if attack.thief:
        since = next(n for n, e in enumerate(events) if e["event"] == "key-revoked")
        signers = {e["signer"] for e in events[since:] if e["event"] == "chunk"}
        check(signers == {keys[0]}, f"{name}: after the revocation only the honest key's word counts")
    check(peak <= RSS_MB, f"{name}: at most {RSS_MB} MB resident ({peak:.0f} MB)")
    if attack.source == "only":
        # Nobody vouches for what the honest source gives after the last manifest: it is there, and not shown.
        check(len(chunks) <= SIGNED_BEFORE_FREEZE and totals.get("manifests_frozen") == 1 and totals.get("chunks_waiting", 0) > 0,
              f"{name}: {len(chunks)} chunks are shown, {totals.get('chunks_waiting')} wait")
        return
    counters = [f"refused_{r}" for r in attack.refused] + ([attack.counter] if attack.counter else [])
    counted = {c: totals.get(c, 0) for c in counters}
    check(any(counted.values()), f"{name}: counted: {counted}")
    rejected = {e["reason"] for e in events if e["event"] == "rejected"}
    named = [r for r in attack.refused if r in rejected and f"reason={r}" in log]
    check(named or attack.events, f"{name}: a log line and an event name it: {named + list(attack.events)}")
    mine = m.on_disk(name)
    common = [i for i in reference if min(mine) <= i <= max(mine)]
    check(len(common) >= 3 and all(i in mine for i in common), f"{name}: {len(common)} chunks of the honest source are all there")
    late = max((mine[i] - reference[i]) / 1e6 for i in common)
    print(f"figure: {name}: the latest chunk {late:.2f} s after the one without an attacker")
    check(late <= CHUNK_S or not delays, f"{name}: at most one chunk late")


def main():
    binary, program, group = sys.argv[1:4]
    delays = "--delays" in sys.argv
    attacks = GROUPS[group]
    with Fight(binary, f"attacks-{group}") as m:
        leader_key, insider_key, stolen_key = m.keygen("leader"), m.keygen("insider"), m.keygen("stolen")
        revoked = m.run("key", "revoke", "--key", m.dir / "stolen.key", "--statement", m.dir / "stolen.revoked")
        check(revoked.returncode == 0, "the owner of a stolen key revokes it")
        tuner = f"{m.tuner('--codec', 'h264', '--tuners', '16')}/auto/v5.1"
        leader = m.publisher("leader", tuner, "--publish-manifests", "--key", m.dir / "leader.key", "--key-statement",
                             m.dir / "stolen.revoked")
        relay = m.publisher("relay", tuner)
        for a in attacks:
            m.attacker(program, a, tuner, leader_key)
        takers = {"honest": m.taker("honest", "--remote-manifests", leader, "--remote", relay, "--trust", leader_key)}
        trusted = {a.name: [leader_key] + ([insider_key] if a.insider else []) + ([stolen_key] if a.thief else []) for a in attacks}
        for a in attacks:
            liar = m.address(f"attacker-{a.name}")
            sources = {"objects": ["--remote-manifests", leader, "--remote", liar, "--remote", relay],
                       "both": ["--remote", liar, "--remote", leader],
                       "only": ["--remote-manifests", liar, "--remote", relay]}[a.source]
            takers[a.name] = m.taker(a.name, *sources, *(k for key in trusted[a.name] for k in ("--trust", key)))
        m.wait_for(f"{CHUNKS} chunks without an attacker", lambda: len(m.on_disk("honest")) >= CHUNKS)
        until = max(m.on_disk("honest"))
        for a in attacks:
            if a.source == "only":
                m.wait_for(f"{a.name}: {a.events}", lambda: {e["event"] for e in m.events(a.name)} >= set(a.events))
            else:
                m.wait_for(f"{a.name}: it goes on to the end", lambda: max(m.on_disk(a.name), default=0) >= until)
                m.wait_for(f"{a.name}: {a.refused + a.events}", lambda: seen(m.events(a.name), a))
        peaks = {name: peak_mb(process) for name, process in takers.items()}
        for process in takers.values():
            process.terminate()
        for process in takers.values():
            process.wait(timeout=60)
        reference = m.on_disk("honest")
        check(len(reference) >= CHUNKS, f"without an attacker {len(reference)} chunks come, at {peaks['honest']:.0f} MB")
        for a in attacks:
            judge(m, a, trusted[a.name], reference, peaks[a.name], delays)


if __name__ == "__main__":
    main()
