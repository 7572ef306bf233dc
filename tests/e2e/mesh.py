"""Starts ec-node processes for the end-to-end tests and ends them again, by process id."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77  # what Meson counts as skipped

STREAM = "ec/stream/v1/source/kind-hdhomerun/device-e2e/channel-5.1/profile-ts-v1/variant-main"


def data(relative):
    """A file of the shared data, or the end of the test as skipped, by name."""
    root = os.environ.get("EC_TEST_DATA")
    if not root:
        source = os.environ.get("EC_SOURCE_ROOT", ".")
        root = str(pathlib.Path(source).resolve().parent / "shared" / "data")
    path = pathlib.Path(root) / relative
    if not path.exists():
        print(f"SKIPPED: {sys.argv[0]}: no {path} (set EC_TEST_DATA)")
        sys.exit(SKIPPED)
    return path


class Mesh:
    def __init__(self, binary, name):
        self.binary = binary
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"ec-e2e-{name}-"))
        self.running = []
        self.ok = False

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for name, process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name, process in reversed(self.running):
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                print(f"FAIL: {name} did not end within 60 s of SIGTERM")
                kind = kind or AssertionError
        if kind is not None:
            for log in sorted(self.dir.glob("*.log")) + sorted(self.dir.glob("*.out")):
                text = log.read_text(errors="replace")[-4000:]
                if text:
                    print(f"--- {log.name}\n{text}")
        self.unmount()
        shutil.rmtree(self.dir, ignore_errors=True)
        return False

    def unmount(self):
        """What a test mounted below its folder, the newest first: else the mount points would stay behind."""
        below = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        for path in reversed(below):
            if path.startswith(f"{self.dir}/"):
                subprocess.run(["umount", path], check=False)

    def env(self, name):
        """A home of its own for each process; a restart under the same name finds its state."""
        return {**os.environ, "XDG_STATE_HOME": str(self.dir / f"{name}-home")}

    def start(self, name, *args, stdin=None, wrapper=(), program=None):
        # A name that is started again goes on with its files: what it said before still counts.
        out = open(self.dir / f"{name}.out", "ab")
        log = open(self.dir / f"{name}.log", "ab")
        command = [*wrapper, program or self.binary, *map(str, args)]
        process = subprocess.Popen(command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=log, env=self.env(name))
        self.running.append((name, process))
        return process

    def address(self, name, seconds=60):
        """What a process wrote to its --endpoint-addr-out file."""
        path = self.dir / f"{name}.addr"
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if path.exists() and path.read_text().strip():
                return path.read_text().strip()
            newest = self.process(name)
            if newest.poll() is not None:
                raise AssertionError(f"{name} ended with {newest.returncode} before it was up")
            time.sleep(0.02)
        raise AssertionError(f"{name} did not come up within {seconds} s")

    def process(self, name):
        """The newest one of this name."""
        return next(p for n, p in reversed(self.running) if n == name)

    def keygen(self, name):
        result = subprocess.run([self.binary, "keygen", "--out", self.dir / f"{name}.key"], capture_output=True, text=True, check=True)
        return result.stdout.strip()

    def tuner(self, *args):
        self.start("tuner", "simulate-tuner", "--listen", "127.0.0.1:0", "--endpoint-addr-out", self.dir / "tuner.addr", *args)
        return self.address("tuner")

    def publisher(self, name, source, *args, **how):
        self.start(name, "moq-publish", "--input", source, "--stream-id", STREAM, "--listen", "127.0.0.1:0", "--state-dir",
                   self.dir / f"{name}-state", "--endpoint-addr-out", self.dir / f"{name}.addr", "--log-level", "info", *args, **how)
        return self.address(name)

    def leader(self, source, key="leader", *args):
        return self.publisher("leader", source, "--publish-manifests", "--publish-chunks=false", "--key", self.dir / f"{key}.key", *args)

    def subscribe(self, *args, seconds=120, name="subscriber"):
        """Runs a subscriber to its own end; its events."""
        process = self.start(name, "moq-subscribe", "--stream-id", STREAM, "--json", "--hls-dir", self.dir / "hls", "--log-level", "info", *args)
        process.wait(timeout=seconds)
        return process.returncode, self.events(name)

    def events(self, name):
        """What a process printed so far; a line that a kill cut short is none."""
        found = []
        for line in (self.dir / f"{name}.out").read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line)) if line.startswith("{") else None
            except ValueError:
                pass
        return found

    def wait_for(self, what, fact, seconds=90):
        """Until fact() is true; its value. Facts are polled, and the limit is for a machine that does much else."""
        until = time.monotonic() + seconds
        while True:
            value = fact()
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError(f"{what}: not within {seconds} s")
            time.sleep(0.05)

    def end(self, name, code=0, seconds=60):
        """Asks the newest process of this name to end, and checks that it does; the name may be used again."""
        process = self.process(name)
        process.send_signal(signal.SIGTERM)
        check(process.wait(timeout=seconds) == code, f"{name} ended with {code} after SIGTERM")
        (self.dir / f"{name}.addr").unlink(missing_ok=True)

    def run(self, *args):
        return subprocess.run([self.binary, *map(str, args)], capture_output=True, text=True, env=self.env("run"))

    def segments(self):
        """The segment files that the playlist lists, in order."""
        hls = self.dir / "hls"
        playlist = hls / "index.m3u8"
        if not playlist.exists():
            return []
        return [hls / line for line in playlist.read_text().splitlines() if line and not line.startswith("#")]


def judged(hls, what, *args):
    """What a judge of tests/e2e/judge says of an HLS directory: checked, or skipped by name if the judge is not installed."""
    here = HERE / "judge"
    program = {"ffprobe": [sys.executable, here / "hls_judge.py", hls], "parser": ["node", here / "parser_judge.mjs", hls / "index.m3u8"],
               "browser": ["node", here / "browser_judge.mjs", hls]}[what]
    if shutil.which(program[0]) is None:
        print(f"SKIPPED: judged by {what}: no {program[0]}")
        return
    done = subprocess.run([*map(str, program), *args], capture_output=True, text=True, timeout=150)
    if done.returncode == SKIPPED:
        print(f"SKIPPED: judged by {what}: {done.stdout.strip() or done.stderr.strip()}")
        return
    if done.returncode != 0:
        print(done.stdout, done.stderr)
    check(done.returncode == 0, f"judged by {what}: nothing found")


def check(condition, what):
    if not condition:
        raise AssertionError(what)
    print(f"ok: {what}")


def totals(events):
    found = [e for e in events if e["event"] == "totals"]
    return found[-1] if found else {}
