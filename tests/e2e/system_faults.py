#!/usr/bin/env python3
"""Faults of the system under a mesh of real processes: disks, directories, descriptors, keys, clocks, a peer that stops. Each is named in
one line, waited out, and over; nothing is left half-written, and HLS goes on.

usage: system_faults.py EC_NODE FAULT CLOCK_SHIM DISK_SHIM

Mounts happen in a mount namespace of the test's own; where that is not permitted the test is skipped, by name.
"""
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import mesh
from mesh import check

SPEED = 4
RSS_MAX_KIB = 128 * 1024
HERE = pathlib.Path(__file__).resolve()


def own_mounts():
    """Goes on in a mount namespace of its own."""
    if os.environ.get("EC_OWN_MOUNTS"):
        return
    enter = ["unshare", "--mount", "--propagation", "private"]
    probe = subprocess.run([*enter, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True)
    if probe.returncode != 0:
        print(f"SKIPPED: {sys.argv[0]} {sys.argv[2]}: no mount namespace ({probe.stderr.strip()})")
        sys.exit(mesh.SKIPPED)
    os.environ["EC_OWN_MOUNTS"] = "1"
    os.execvp(enter[0], [*enter, sys.executable, str(HERE), *sys.argv[1:]])


def mount(*args):
    subprocess.run(["mount", *map(str, args)], check=True)


def wait(m, fact, what):
    check(m.wait_for(what, fact), what)


def fill(path):
    """Takes the last byte of a small disk."""
    out = os.open(path / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(out, bytes(4096))
    except OSError:
        pass
    os.close(out)


def read_only(path):
    """A read-only view over a directory, until it is unmounted; what is open stays as it is."""
    mount("--bind", path, path)
    mount("-o", "remount,bind,ro", path)


class Chain:
    """Tuner, leader with manifests and chunks, subscriber: each may be told more."""

    def __init__(self, m, leader=(), subscriber=(), leader_how=None, subscriber_how=None, hls="event"):
        self.m = m
        self.signer = m.keygen("leader")
        self.tuner = m.tuner("--codec", "h264", "--speed", SPEED)
        self.address = m.publisher("leader", f"{self.tuner}/auto/v5.1", "--publish-manifests", "--key", m.dir / "leader.key", "--json", *leader,
                                   **(leader_how or {}))
        self.hls = hls
        self.subscribe("subscriber", *subscriber, **(subscriber_how or {}))

    def subscribe(self, name, *args, hls_dir=None, **how):
        return self.m.start(name, "moq-subscribe", "--remote", self.address, "--stream-id", mesh.STREAM, "--json", "--hls-dir", hls_dir or self.m.dir / "hls",
                            "--require-manifest", "--trust", self.signer, "--hls-mode", self.hls, "--log-level", "info", *args, **how)

    def written(self, name="subscriber"):
        return sum(e["event"] == "segment" for e in self.m.events(name))

    def goes_on(self, what, count=3, name="subscriber"):
        before = self.written(name)
        wait(self.m, lambda: self.written(name) >= before + count, f"{what}: HLS goes on")

    def says(self, name, event, *words):
        def said():
            return [e for e in self.m.events(name) if e["event"] == event and all(w in json.dumps(e) for w in words)]
        wait(self.m, said, f"{name} says {event}: {' ... '.join(words)}")
        return said()

    def right(self, what):
        """What is listed is there, whole and proven."""
        found = self.m.run("verify", self.m.dir / "hls", "--trust", self.signer)
        check(found.returncode == 0, f"{what}: ec-node verify finds it right: {found.stdout.strip().splitlines()[-1:]}{found.stderr.strip()}")

    def over(self, breaks=1):
        self.m.end("subscriber")
        self.right("at the end")
        events = self.m.events("subscriber")
        check(not any(e["event"] in ("rejected", "signer-chain-restarted") for e in events), "nothing was rejected, and the signer's chain is one")
        indices = [e["chunk"] for e in events if e["event"] == "segment"]
        check(indices == sorted(set(indices)), "group ids rise")
        found = (self.m.dir / "hls" / "index.m3u8").read_text().count("#EXT-X-DISCONTINUITY\n")
        check(found <= breaks, f"{found} discontinuities, at most {breaks}")
        left = [p.name for p in (self.m.dir / "hls").iterdir() if p.name.endswith(".tmp")]
        check(not left, "nothing half-written is left")


def rss_kib(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def hls_full(m):
    """The disk of the HLS directory is full, and then it is not."""
    own = m.dir / "hls"
    own.mkdir()
    mount("-t", "tmpfs", "-o", "size=48m", "none", own)
    c = Chain(m)
    c.goes_on("before")
    fill(own)
    c.says("subscriber", "hls-fault", "No space left on device", str(own))
    c.right("while the disk is full")
    (own / "filler").unlink()
    c.goes_on("after")
    c.over()
    totals = [e for e in m.events("subscriber") if e["event"] == "hls-totals"]
    check(len(totals) == 1 and totals[0]["outages"] >= 1 and totals[0]["chunks_lost"] >= 1, f"what the disk cost is in the totals: {totals}")


def hls_read_only(m):
    own = m.dir / "hls"
    own.mkdir()
    c = Chain(m)
    c.goes_on("before")
    read_only(own)
    c.says("subscriber", "hls-fault", "Read-only file system", str(own))
    c.right("while it is read-only")
    subprocess.run(["umount", own], check=True)
    c.goes_on("after")
    c.over()


def hls_vanished(m):
    """Somebody removes the directory."""
    c = Chain(m)
    c.goes_on("before")
    (m.dir / "hls").rename(m.dir / "old")
    c.says("subscriber", "hls-fault", str(m.dir / "hls"))
    c.goes_on("after")
    c.over()


def file_size(m):
    """A write is refused in its middle (EFBIG, by a limit on the running process), as by a disk that fails."""
    c = Chain(m)
    c.goes_on("before")
    who = m.process("subscriber")
    resource.prlimit(who.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    c.says("subscriber", "hls-fault", "File too large")
    c.right("while writes are refused")
    resource.prlimit(who.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    c.goes_on("after")
    c.over()


def bad_disk(m, name, folder):
    """How to start a process whose disk can be made bad, and what does it: 0 good, -1 EIO, more: bytes a second."""
    control = m.dir / f"{name}.disk"
    control.write_bytes(bytes(8))

    def make(mode):
        with open(control, "r+b") as f:
            f.write(mode.to_bytes(8, sys.byteorder, signed=True))
    return {"wrapper": ("env", f"LD_PRELOAD={sys.argv[4]}", f"EC_DISK_SHIM={control}", f"EC_DISK_SHIM_DIR={folder}/")}, make


def hls_io_error(m):
    """The disk of the HLS directory answers EIO to each write and sync."""
    how, disk = bad_disk(m, "subscriber", m.dir / "hls")
    c = Chain(m, subscriber_how=how)
    c.goes_on("before")
    disk(-1)
    c.says("subscriber", "hls-fault", "Input/output error", str(m.dir / "hls"))
    c.right("while it fails")
    disk(0)
    c.goes_on("after")
    c.over()


def hls_slow(m):
    """One of two subscribers has a disk of 1 MB/s, a third of what it would take: nobody else is harmed."""
    how, disk = bad_disk(m, "slow", m.dir / "hls2")
    c = Chain(m)
    c.subscribe("slow", hls_dir=m.dir / "hls2", **how)
    c.goes_on("before", name="slow")
    leader, slow = m.process("leader"), m.process("slow")
    before = rss_kib(leader)
    disk(1_000_000)
    c.goes_on("one disk is slow", 24)
    wait(m, lambda: c.written() - c.written("slow") >= 6, "the slow disk falls behind")
    check(rss_kib(leader) < RSS_MAX_KIB and rss_kib(slow) < RSS_MAX_KIB,
          f"the publisher holds {rss_kib(leader)} KiB (before: {before}), the one with the slow disk {rss_kib(slow)} KiB, under {RSS_MAX_KIB}")
    disk(0)
    wait(m, lambda: c.written() - c.written("slow") <= 3, "it catches up")
    m.end("slow")
    found = m.run("verify", m.dir / "hls2", "--trust", c.signer)
    check(found.returncode == 0, f"what it wrote is right: {found.stdout.strip().splitlines()[:1]}")
    c.over(breaks=0)


def state_read_only(m):
    """The leader cannot keep what it signed: it signs nothing until it can, and its chain goes on."""
    own = m.dir / "leader-state"
    own.mkdir()
    c = Chain(m)
    c.goes_on("before")
    read_only(own)
    c.says("leader", "branch-down", "Read-only file system", str(own))
    subprocess.run(["umount", own], check=True)
    c.goes_on("after")
    c.over()


def state_full(m):
    own = m.dir / "leader-state"
    own.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "none", own)
    c = Chain(m)
    c.goes_on("before")
    fill(own)
    c.says("leader", "branch-down", "No space left on device", str(own))
    (own / "filler").unlink()
    c.goes_on("after")
    c.over()


def state_vanished(m):
    c = Chain(m)
    c.goes_on("before")
    own = m.dir / "leader-state"
    own.rename(m.dir / "away")
    c.says("leader", "branch-down", str(own))
    (m.dir / "away").rename(own)
    c.goes_on("after")
    c.over()


def objects_read_only(m):
    """The disk of the file of objects refuses: HLS does not mind."""
    own = m.dir / "objects"
    own.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m", "none", own)
    c = Chain(m, subscriber=("--objects-out", own / "file"))
    c.goes_on("before")
    faults = c.says("subscriber", "objects-fault", "No space left on device", str(own))
    c.goes_on("meanwhile")
    found = m.run("verify", own / "file", "--trust", c.signer)
    check(found.returncode == 0 and "all is right" in found.stdout, f"the file of objects is right as far as it goes: {found.stdout.strip()}")
    check(len(faults) >= 1, "and what was not kept is said")
    c.over(breaks=0)


def descriptors(m):
    """No process gets another file descriptor, first the subscriber, then the leader."""
    c = Chain(m)
    c.goes_on("before")
    for name, event in (("subscriber", "hls-fault"), ("leader", "branch-down")):
        who = m.process(name)
        before = resource.prlimit(who.pid, resource.RLIMIT_NOFILE)
        # Below what is open: the next one is refused.
        resource.prlimit(who.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        c.says(name, event, "Too many open files")
        resource.prlimit(who.pid, resource.RLIMIT_NOFILE, before)
        c.goes_on(f"after {name}")
        check(who.poll() is None, f"{name} never ended")
    c.over(breaks=2)


def key(m):
    """A key that others may read, one that is no file, and a folder that takes none."""
    own = m.dir / "keys"
    own.mkdir()
    made = m.run("keygen", "--out", own / "a.key")
    check(made.returncode == 0, "a key is made")
    (own / "a.key").chmod(0o644)
    publish = ["moq-publish", "--input", "http://127.0.0.1:9/auto/v5.1", "--publish-manifests", "--key", own / "a.key", "--listen", "127.0.0.1:0",
               "--state-dir", m.dir / "state"]
    found = m.run(*publish)
    check(found.returncode == 2 and "chmod 600" in found.stderr and str(own / "a.key") in found.stderr and len(found.stderr.strip().splitlines()) == 1,
          f"a key that others may read is refused in one line: {found.stderr.strip()}")
    read_only(own)
    found = m.run("keygen", "--out", own / "b.key")
    check(found.returncode == 3 and "Read-only file system" in found.stderr and str(own / "b.key") in found.stderr and
          len(found.stderr.strip().splitlines()) == 1, f"a key that cannot be written is refused in one line: {found.stderr.strip()}")
    check(not (own / "b.key").exists() and len(list(own.iterdir())) == 1, "and nothing is left of it")
    subprocess.run(["umount", own], check=True)
    # While the node runs: the next start of its branch finds the key open to others, and waits.
    c = Chain(m)
    c.goes_on("before")
    (m.dir / "leader.key").chmod(0o640)
    state = m.dir / "leader-state"
    state.rename(m.dir / "away")
    c.says("leader", "branch-down", str(state))
    (m.dir / "away").rename(state)
    c.says("leader", "branch-down", "chmod 600")
    (m.dir / "leader.key").chmod(0o600)
    c.goes_on("after")
    c.over()


def clock_step(m):
    """The wall clock of one node, then of the other, steps by an hour, ahead and back."""
    shim = sys.argv[3]
    shims = {}
    for name in ("leader", "subscriber"):
        shims[name] = m.dir / f"{name}.clock"
        shims[name].write_bytes(bytes(8))
    how = {n: {"wrapper": ("env", f"LD_PRELOAD={shim}", f"EC_CLOCK_SHIM={shims[n]}")} for n in shims}
    c = Chain(m, leader_how=how["leader"], subscriber_how=how["subscriber"])
    c.goes_on("before")
    for name in ("leader", "subscriber"):
        for seconds in (3600, 0, -3600, 0):
            with open(shims[name], "r+b") as f:
                f.write(seconds.to_bytes(8, sys.byteorder, signed=True))
            moved = int(time.time() * 1000) + seconds * 1000
            wait(m, lambda: abs(m.events(name)[-1]["unix_ms"] - moved) < 600_000, f"the clock of {name} is {seconds} s off")
            c.goes_on(f"{name} {seconds:+d} s")
    check(not any(e["event"] == "branch-down" for n in shims for e in m.events(n)), "no branch went down")
    c.over(breaks=0)


def stopped_subscriber(m):
    """One of two subscribers stops reading."""
    c = Chain(m)
    other = c.subscribe("stopped", hls_dir=m.dir / "hls2")
    c.goes_on("before")
    wait(m, lambda: c.written("stopped") >= 1, "the other one writes too")
    leader = m.process("leader")
    before = rss_kib(leader)
    other.send_signal(signal.SIGSTOP)
    try:
        c.goes_on("while one of two has stopped", 36) # more than what is queued for one subscriber, 16 MiB
        most = rss_kib(leader)
        wait(m, lambda: "peer-too-slow" in (m.dir / "leader.log").read_text(), "the publisher says that a peer is too slow, and how many groups it lost")
    finally:
        other.send_signal(signal.SIGCONT)
    check(most < RSS_MAX_KIB, f"the publisher holds {most} KiB (before: {before}), under {RSS_MAX_KIB}")
    print(f"figure: stopped-subscriber: publisher {before} KiB before, {most} KiB after 36 chunks")
    c.goes_on("the one that stopped goes on", 2, name="stopped")
    m.end("stopped")
    c.over(breaks=0)


FAULTS = {"hls-full": (hls_full, True), "hls-read-only": (hls_read_only, True), "hls-vanished": (hls_vanished, False),
          "hls-io-error": (hls_io_error, False), "hls-slow": (hls_slow, False), "file-size": (file_size, False),
          "state-read-only": (state_read_only, True), "state-full": (state_full, True),
          "state-vanished": (state_vanished, False), "objects-full": (objects_read_only, True), "descriptors": (descriptors, False),
          "key": (key, True), "clock-step": (clock_step, False), "stopped-subscriber": (stopped_subscriber, False)}


def main():
    fault, mounts = FAULTS[sys.argv[2]]
    if mounts:
        own_mounts()
    with mesh.Mesh(sys.argv[1], f"system-{sys.argv[2]}") as m:
        fault(m)


if __name__ == "__main__":
    main()
