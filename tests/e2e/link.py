#!/usr/bin/env python3
"""A bad network between two processes: forwards UDP datagrams and does to them what a link does. It needs no rights and no kernel
module, and what it drops follows from its seed and the order of the datagrams.

usage: link.py TARGET_PORT ADDR_FILE [SEED]

Listens on a free port of 127.0.0.1, writes it to ADDR_FILE, forwards to 127.0.0.1:TARGET_PORT and back. Orders come as lines on
standard input, each in force from then on:

    set loss=0.01 delay_ms=50 jitter_ms=50 rate=24000000 queue=262144    what is not named is taken back; both directions alike
    dark 3                  nothing passes for 3 s
    move                    the next datagrams reach the target from another port, as behind a NAT that forgot
    stats                   prints one JSON object: datagrams seen, lost, late (queue full)

loss: share of datagrams; delay one way; jitter: up to so much more for each datagram by itself, so that they overtake each other; rate:
bits per second with a queue of so many bytes in front of it, whose end is dropped.
"""
import heapq
import json
import os
import random
import selectors
import socket
import sys
import time


class Way:
    """One direction: what is in the air, and the bottleneck's clock."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.air = []
        self.count = 0
        self.free_at = 0.0
        self.seen = self.lost = self.full = 0

    def enter(self, data, now, rules):
        self.seen += 1
        if rules["dark_until"] > now or self.random.random() < rules["loss"]:
            self.lost += 1
            return
        at = now
        if rules["rate"]:
            begins = max(now, self.free_at)
            if (begins - now) * rules["rate"] / 8 > rules["queue"]:
                self.full += 1
                return
            self.free_at = at = begins + len(data) * 8 / rules["rate"]
        at += rules["delay_ms"] / 1000 + self.random.random() * rules["jitter_ms"] / 1000
        self.count += 1
        heapq.heappush(self.air, (at, self.count, data))


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        s.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
    s.bind(("127.0.0.1", 0))
    s.setblocking(False)
    return s


class Link:
    GOOD = {"loss": 0.0, "delay_ms": 0.0, "jitter_ms": 0.0, "rate": 0.0, "queue": 262144.0}

    def __init__(self, target, seed):
        self.target = ("127.0.0.1", target)
        self.rules = {**self.GOOD, "dark_until": 0.0}
        self.near, self.far, self.client = udp(), udp(), None
        self.there, self.back = Way(seed), Way(seed + 1)
        self.poll = selectors.DefaultSelector()
        self.poll.register(sys.stdin, selectors.EVENT_READ, self.order)
        self.poll.register(self.near, selectors.EVENT_READ, self.from_client)
        self.poll.register(self.far, selectors.EVENT_READ, self.from_target)

    def from_client(self):
        for data, sender in self.arrivals(self.near):
            self.client = sender
            self.there.enter(data, time.monotonic(), self.rules)

    def from_target(self):
        for data, _ in self.arrivals(self.far):
            self.back.enter(data, time.monotonic(), self.rules)

    @staticmethod
    def arrivals(sock):
        for _ in range(64):
            try:
                yield sock.recvfrom(65535)
            except (BlockingIOError, ConnectionRefusedError):
                return

    def order(self):
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        word, *rest = line.split() or [""]
        if word == "set":
            changes = dict(part.split("=") for part in rest)
            self.rules.update({**self.GOOD, **{key: float(changes[key]) for key in changes}})
        elif word == "dark":
            self.rules["dark_until"] = time.monotonic() + float(rest[0])
        elif word == "move":
            self.poll.unregister(self.far)
            self.far.close()
            self.far = udp()
            self.poll.register(self.far, selectors.EVENT_READ, self.from_target)
        elif word == "stats":
            ways = (self.there, self.back)
            print(json.dumps({"seen": sum(w.seen for w in ways), "lost": sum(w.lost for w in ways), "full": sum(w.full for w in ways)}), flush=True)

    def deliver(self, way, sock, to):
        while way.air and way.air[0][0] <= time.monotonic():
            data = heapq.heappop(way.air)[2]
            try:
                sock.sendto(data, to)
            except (BlockingIOError, ConnectionRefusedError):
                way.lost += 1

    def run(self):
        while True:
            nearest = min((way.air[0][0] for way in (self.there, self.back) if way.air), default=None)
            for key, _ in self.poll.select(None if nearest is None else max(0.0, nearest - time.monotonic())):
                key.data()
            self.deliver(self.there, self.far, self.target)
            if self.client:
                self.deliver(self.back, self.near, self.client)


def main():
    link = Link(int(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    with open(sys.argv[2] + ".part", "w", encoding="utf-8") as out:
        out.write(str(link.near.getsockname()[1]))
    os.rename(sys.argv[2] + ".part", sys.argv[2])
    link.run()


if __name__ == "__main__":
    main()
