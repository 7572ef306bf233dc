#!/usr/bin/env python3
"""What attackers cost honest subscribers of a relay: `ec-node bench` with nobody else, and beside each attack in turn; and whether joins and
leaves at a rate leave anything behind.

The relay has one core; the load generator has the other, and the attacker, a process of its own, what that leaves of it. The rows without an attacker are taken before
and after each one with it, and the better of the two counts: the machine's other work can only add to it.

usage: siege_figures.py EC_NODE SIEGE_PEER [--subscribers 50] [--seconds 10] [--turns 3] [--churn-seconds 60]
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
from fanout_figures import on_core  # noqa: E402
from relays import Relay  # noqa: E402

# Mode of the attacker, and so much a second: requests, streams, handshakes, joins.
ATTACKS = (("requests", 5000), ("streams", 5000), ("handshakes", 200), ("churn", 100))


def when_idle():
    """Run in the child: it gets what the load generator leaves of their core, so that a delay is the relay's."""
    on_core(1)()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def attack(peer, relay, mode, rate, seconds):
    return subprocess.Popen([peer, mode, f"127.0.0.1:{relay.port}", str(rate), str(seconds)], stdout=subprocess.PIPE, text=True, preexec_fn=when_idle)


def finished(process):
    """The counts of an attacker that is told to stop."""
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    return json.loads(out)


def bench(ec_node, relay, subscribers, seconds):
    done = subprocess.run([ec_node, "bench", "--relay", f"moqt://127.0.0.1:{relay.port}", "--tls-disable-verify", "--json", "--subscribers", str(subscribers),
                           "--duration-ms", str(seconds * 1000), "--warm-up-ms", "1000", "--relay-pid", str(relay.process.pid)],
                          capture_output=True, text=True, preexec_fn=on_core(1))
    if not done.stdout:
        raise SystemExit(f"bench: {done.stderr.strip()}")
    return json.loads(done.stdout)


def row(name, figures, beside, attacker):
    more = f"{100 * (figures['delay_p99_us'] / beside['delay_p99_us'] - 1):+.0f} %" if beside else ""
    cpu = f"{figures['relay_cores'] - beside['relay_cores']:+.3f}" if beside else ""
    print(f"{name:22}{figures['delay_p50_us'] / 1000:9.2f}{figures['delay_p99_us'] / 1000:9.2f}{more:>8}{figures['relay_cores']:8.3f}{cpu:>8}"
          f"{figures['groups_lost']:6}{figures['relay_resident_bytes'] / 1e6:8.1f}   {attacker}", flush=True)


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def churn(ec_node, peer, folder, seconds):
    """Resident memory of a relay while 100 sessions join and leave each second, sampled at each tenth."""
    with Relay.ec_node(ec_node, folder, on_core(0)) as relay:
        honest = subprocess.Popen([ec_node, "bench", "--relay", f"moqt://127.0.0.1:{relay.port}", "--tls-disable-verify", "--json", "--subscribers", "5",
                                   "--duration-ms", str((seconds + 6) * 1000)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=on_core(1))
        time.sleep(3)
        guests = attack(peer, relay, "churn", 100, seconds + 5)
        resident = []
        for _ in range(10):
            time.sleep(seconds / 10)
            resident.append(resident_kb(relay.process.pid))
        counts = finished(guests)
        out, complaint = honest.communicate(timeout=seconds + 60)
        if not out:
            raise SystemExit(f"bench beside churn: {complaint.strip()}")
        figures = json.loads(out)
    print(f"\nchurn: {counts['connected']} sessions joined in {seconds} s, {counts['objects']} objects to them; {figures['groups_lost']} groups lost by 5 who stayed, p99 {figures['delay_p99_us'] / 1000:.2f} ms")
    print(f"resident MB, each tenth of the time: {' '.join(f'{kb / 1024:.1f}' for kb in resident)}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("ec_node")
    parser.add_argument("siege_peer")
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--churn-seconds", type=int, default=60)
    options = parser.parse_args()
    ec_node, peer = os.path.abspath(options.ec_node), os.path.abspath(options.siege_peer)
    print(f"{options.subscribers} subscribers, 60 x 4,096 B a second, raw QUIC, {options.seconds} s, best of {options.turns}")
    print(f"{'beside':22}{'p50 ms':>9}{'p99 ms':>9}{'more':>8}{'cores':>8}{'more':>8}{'lost':>6}{'MB':>8}   what came of the attack")
    with tempfile.TemporaryDirectory(prefix="ec-siege-") as folder:
        for mode, rate in ATTACKS:
            alone, beside, counts = [], [], {}
            for _ in range(options.turns):
                with Relay.ec_node(ec_node, folder, on_core(0)) as relay:
                    alone.append(bench(ec_node, relay, options.subscribers, options.seconds))
                with Relay.ec_node(ec_node, folder, on_core(0)) as relay:
                    process = attack(peer, relay, mode, rate, 600)
                    beside.append(bench(ec_node, relay, options.subscribers, options.seconds))
                    counts = finished(process)
            least = min(alone, key=lambda f: f["delay_p99_us"])
            row("nobody", least, None, "")
            row(f"{rate} {mode}/s", min(beside, key=lambda f: f["delay_p99_us"]), least, ", ".join(f"{n} {what}" for what, n in counts.items() if n))
        if options.churn_seconds > 0:
            churn(ec_node, peer, folder, options.churn_seconds)


if __name__ == "__main__":
    main()
