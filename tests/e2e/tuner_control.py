#!/usr/bin/env python3
"""The simulated tuner's discovery and control protocol, judged by programs that others wrote or that ask as a user does.

usage: tuner_control.py EC_NODE hdhomerun-config | discover | broadcast

hdhomerun-config: Debian's hdhomerun_config finds two simulators by their addresses, reads and sets one, and saves its stream.
discover: `ec-node discover` at one host: by the protocol, by its documents alone, and nobody there.
broadcast: `ec-node discover` without a host, and by device id, in a network of its own.
"""
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import zlib

import mesh
from mesh import check

PORT = 65001  # the clients know no other
TUNERS = {"one": "10A1B2C7", "two": "10439EFD"}


def loopback():
    """An address of this host where nobody listens yet: other tests may run beside this one."""
    for _ in range(100):
        address = "127.%d.%d.%d" % tuple(random.randint(1, 254) for _ in range(3))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, PORT))
                return address
            except OSError:
                pass
    raise AssertionError("no free address")


def simulator(m, name, address, *args):
    m.start(name, "simulate-tuner", "--listen", f"{address}:0", "--control", f"{address}:{PORT}", "--device-id", TUNERS[name], "--endpoint-addr-out",
            m.dir / f"{name}.addr", *args)
    return m.address(name)


def config(*args):
    done = subprocess.run(["hdhomerun_config", *map(str, args)], capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def errors_in(ts):
    """Packets, lost ones by the counters of their PIDs, and the PIDs."""
    last, lost, pids = {}, 0, set()
    for at in range(0, len(ts), 188):
        head = ts[at:at + 4]
        assert head[0] == 0x47, f"no packet begins at byte {at}"
        pid = (head[1] & 0x1F) << 8 | head[2]
        pids.add(pid)
        if head[3] & 0x10:
            counter = head[3] & 0x0F
            if pid in last and counter != (last[pid] + 1) & 0x0F:
                lost += 1
            last[pid] = counter
    return len(ts) // 188, lost, pids


def hdhomerun_config(m):
    if not shutil.which("hdhomerun_config"):
        print(f"SKIPPED: {sys.argv[0]} hdhomerun-config: no hdhomerun_config (apt install hdhomerun-config)")
        sys.exit(mesh.SKIPPED)
    address, other = loopback(), loopback()
    simulator(m, "one", address, "--callsign", "KECT-DT")
    simulator(m, "two", other)
    for where, name in ((address, "one"), (other, "two")):
        check(config("discover", where) == f"hdhomerun device {TUNERS[name]} found at {where}", f"hdhomerun_config discovers {TUNERS[name]}")
    text = config(address, "get", "help")
    check(text.startswith("Supported configuration options:") and "/tuner<n>/channel" in text, "it reads the help")
    check(config(address, "get", "/sys/model") == "hdhomerun5_atsc", "and the model")
    check(config(address, "get", "/tuner0/status") == "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0", "a tuner that is idle says so")
    check("unknown getset variable" in config(address, "get", "/tuner9/status"), "one that is not there is an error")
    config(address, "set", "/tuner0/channel", "auto:14")
    status = m.wait_for("a bit rate", lambda: (lambda s: s if "bps=0" not in s else "")(config(address, "get", "/tuner0/status")))
    print("status:", status)
    check(status.startswith("ch=auto:473000000 lock=8vsb ss=100 snq=100 seq=100 bps=19"), "it tunes")
    check(config(address, "get", "/tuner0/streaminfo") == "3: 5.1 KECT-DT\ntsid=0x0EC1", "and sees the programs")
    config(address, "set", "/tuner0/program", "3")
    check(config(address, "get", "/tuner0/program") == "3", "of which it takes one")
    file = m.dir / "saved.ts"
    saving = m.start("save", address, "save", "/tuner0", file, program="hdhomerun_config")
    m.wait_for("a saved stream", lambda: file.exists() and file.stat().st_size > 4_000_000)
    during = config(address, "get", "/tuner0/status")
    check("pps=0" not in during and config(address, "get", "/tuner0/target") != "none", f"the tuner sends while it saves: {during}")
    saving.send_signal(signal.SIGINT)
    saving.wait(timeout=60)
    said = (m.dir / "save.log").read_text()
    print(said.strip().splitlines()[-1])
    check("-- Video statistics --" in said and ", 0 overflow errors," in said, "and it counts what it got")
    ts = file.read_bytes()
    packets, lost, pids = errors_in(ts[:len(ts) - len(ts) % 188])
    check(pids == {0x0000, 0x0030, 0x0031, 0x0034}, f"of {packets} packets all are of that program: {sorted(map(hex, pids))}")
    told = int(said.split(" network errors")[0].split()[-1]) + int(said.split(" sequence errors")[0].split()[-1])
    check((lost == 0) == (told == 0), f"{lost} steps of the counters, and hdhomerun_config counted {told}")
    m.wait_for("a free tuner", lambda: config(address, "get", "/tuner0/target") == "none")


def discovered(m, *args):
    done = m.run("discover", *args, "--json")
    return done.returncode, json.loads(done.stdout)["devices"], done.stderr


def discover(m):
    address = loopback()
    url = simulator(m, "one", address)
    code, devices, _ = discovered(m, "--host", address)
    check(code == 0 and len(devices) == 1, "a tuner is found at its address")
    found = devices[0]
    check((found["device_id"], found["address"], found["base_url"], found["found_by"], found["tuners"], found["model"]) ==
          ("10A1B2C7", address, url, "discovery", 4, "HDHR5-4US"), f"with what it is: {found}")
    table = m.run("discover", "--host", address)
    print(table.stdout.strip())
    check(table.returncode == 0 and table.stdout.startswith(f"10A1B2C7  {url}  4 tuners  HDHomeRun SIMULATOR, HDHR5-4US"), "and so in the table")
    code, devices, _ = discovered(m, "--host", address, "--device-id", "10a1b2c7")
    check(code == 0 and devices[0]["device_id"] == "10A1B2C7", "also when its id is asked for")
    code, devices, says = discovered(m, "--host", address, "--device-id", TUNERS["two"], "--wait-ms", "100")
    check(code == 3 and devices == [] and TUNERS["two"] in says, "but not under another id")
    plain = m.tuner()  # answers no discovery
    host = plain.removeprefix("http://")
    code, devices, _ = discovered(m, "--host", host, "--wait-ms", "100")
    # Another simulator may listen on 127.0.0.1:65001 of this machine: then that one answers.
    check(code == 0 and devices[0]["found_by"] in ("documents", "discovery"), "a host that shows its documents only is found by them")
    liar(m)
    nobody = loopback()
    code, devices, says = discovered(m, "--host", nobody, "--wait-ms", "100")
    check(code == 3 and devices == [] and nobody in says and "65001" in says, f"where nobody is, it says so: {says.strip()}")


def liar(m):
    """One that answers with the URL of somebody else."""
    address = loopback()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.settimeout(0.2)
        device.bind((address, PORT))
        url = b"http://127.0.0.1:%d" % other.getsockname()[1]
        fields = bytes.fromhex("0104000000010204") + bytes.fromhex(TUNERS["two"]) + bytes([0x2A, len(url)]) + url
        reply = struct.pack(">HH", 3, len(fields)) + fields
        reply += struct.pack("<I", zlib.crc32(reply))

        def answer():
            device.sendto(reply, device.recvfrom(2048)[1])
        asked = threading.Thread(target=answer, daemon=True)
        asked.start()
        code, devices, _ = discovered(m, "--host", address)
        check(code == 0 and (devices[0]["device_id"], devices[0]["base_url"]) == (TUNERS["two"], f"http://{address}:80"),
              "who names another's URL is listed under its own address")
        asked.join(timeout=60)
        try:
            other.accept()
            check(False, "the URL was asked")
        except socket.timeout:
            check("model" not in devices[0], "and nobody else is asked")


def broadcast(m):
    if os.environ.get("EC_E2E_ALONE") != "1":
        # Broadcasts stay in a network that nobody else is in.
        if not os.path.exists("/dev/net/tun") or not shutil.which("ip") or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode != 0:
            print(f"SKIPPED: {sys.argv[0]} broadcast: cannot make a network of its own (unshare -rn, ip, /dev/net/tun)")
            sys.exit(mesh.SKIPPED)
        done = subprocess.run(["unshare", "-rn", sys.executable, *sys.argv], env={**os.environ, "EC_E2E_ALONE": "1"})
        check(done.returncode == 0, "in a network of its own")
        return
    tap = os.open("/dev/net/tun", os.O_RDWR)  # an interface that broadcasts, for as long as it is open
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"lan0", 0x1002))  # TUNSETIFF, IFF_TAP | IFF_NO_PI
    for command in ("link set lo up", "addr add 10.9.0.1/24 brd + dev lan0", "link set lan0 up", "route add default dev lan0"):
        subprocess.run(["ip", *command.split()], check=True)
    done = m.run("discover", "--wait-ms", "500")
    check(done.returncode == 3 and "no tuner answered a broadcast" in done.stderr, f"nobody is there at first: {done.stderr.strip()}")
    m.start("one", "simulate-tuner", "--listen", "0.0.0.0:0", "--control", f"0.0.0.0:{PORT}", "--endpoint-addr-out", m.dir / "one.addr")
    port = m.address("one").rsplit(":", 1)[1]
    for args in ((), ("--device-id", "10A1B2C7")):
        code, devices, _ = discovered(m, *args, "--wait-ms", "3000")
        check(code == 0 and [(d["device_id"], d["base_url"], d["found_by"]) for d in devices] == [("10A1B2C7", f"http://10.9.0.1:{port}", "discovery")],
              f"a broadcast finds the tuner, and the address that it is reached by: {devices}")
    code, devices, says = discovered(m, "--device-id", TUNERS["two"], "--wait-ms", "100")
    check(code == 3 and TUNERS["two"] in says, "nobody has another id")
    os.close(tap)


def main():
    binary, case = sys.argv[1], sys.argv[2]
    with mesh.Mesh(binary, f"control-{case}") as m:
        {"hdhomerun-config": hdhomerun_config, "discover": discover, "broadcast": broadcast}[case](m)


if __name__ == "__main__":
    main()
