"""Relays as processes on free ports of loopback: ours and those of other projects."""
import os
import signal
import socket
import subprocess
import time


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def certificate(folder):
    """A self-signed one: the paths of certificate and key, which have a folder of their own. moq-relay watches it, and loads them again, and logs
    that, whenever a file there changes: with its log beside them it does nothing else."""
    folder = os.path.join(folder, "tls")
    os.makedirs(folder, exist_ok=True)
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "10", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


class Relay:
    """A relay of one kind, for as long as the block lasts: `command` of a port. `prepare` runs in the child before it."""

    def __init__(self, name, folder, command, prepare=None):
        self.name, self.folder, self.command, self.prepare, self.port = name, folder, command, prepare, free_port()

    @classmethod
    def ec_node(cls, program, folder, prepare=None):
        return cls("ec-node", folder, lambda port: [program, "relay", "--listen", f"127.0.0.1:{port}", "--state-dir", os.path.join(folder, "state")], prepare)

    @classmethod
    def moq_relay_ietf(cls, program, folder, cert, key, prepare=None):
        return cls("moq-relay-ietf", folder, lambda port: [program, "--bind", f"127.0.0.1:{port}", "--tls-cert", cert, "--tls-key", key], prepare)

    @classmethod
    def moq_relay(cls, program, folder, cert, key, prepare=None):
        return cls("moq-relay", folder, lambda port: [program, "--listen", f"127.0.0.1:{port}", "--listen-tls-cert", cert, "--listen-tls-key", key,
                                                      "--auth-public", "**", "--log-level", "warn"], prepare)

    def __enter__(self):
        self.log = open(os.path.join(self.folder, self.name + ".log"), "ab")
        self.process = subprocess.Popen(self.command(self.port), stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=self.prepare)
        until = time.monotonic() + 60
        # A UDP port that is taken is one that the relay listens on.
        while time.monotonic() < until and self.process.poll() is None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                try:
                    s.bind(("127.0.0.1", self.port))
                except OSError:
                    return self
            time.sleep(0.05)
        raise SystemExit(f"{self.name} does not start: {self.log.name}")

    def __exit__(self, *why):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
