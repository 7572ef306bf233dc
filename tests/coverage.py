#!/usr/bin/env python3
"""Line coverage of src/ by the unit, actor, topology and fuzz-corpus tests.

    tests/coverage.py [--build DIR (build-coverage)] [--suites NAME ...] [--missing FILE_PART ...]

Builds with gcc's instrumentation, runs those suites (the simulations would take an hour), and prints each file under 100 % with its uncovered lines, each room, and the parsers
together (goal: 95 %). With --missing, the uncovered lines of the files whose path has that part. Needs gcovr.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What reads bytes that somebody else wrote.
PARSERS = ["src/base/byte_io", "src/base/hex", "src/base/json", "src/hls/playlist", "src/hls/sidecar", "src/hls/manifest_log", "src/identity/", "src/manifest/attestation",
           "src/manifest/content", "src/manifest/merkle", "src/manifest/proof", "src/manifest/signer_state", "src/moq/profile", "src/moq/types", "src/net/url",
           "src/node/role_file", "src/node/settings", "src/object/format", "src/object/object_file.", "src/quic/address", "src/ts/", "src/tuner/lineup", "src/tuner/internal/control_packet", "src/discovery/announcement.",
           "src/manifest/trust_file", "src/manifest/key_statement", "src/manifest/evidence"]
SUITES = ["unit", "actor", "topology", "fuzz"]


def programs(build, suites):
    """The targets that the tests of these suites need: a build of everything takes half an hour."""
    def introspect(what):
        return json.loads(subprocess.run(["meson", "introspect", build, what], check=True, capture_output=True, text=True).stdout)
    needed = {target for t in introspect("--tests") if any(s.split(":")[-1] in suites for s in t["suite"]) for target in t["depends"]}
    return [str(pathlib.Path(f).relative_to(build)) for t in introspect("--targets") if t["id"] in needed for f in t["filename"]]


def measure(build, suites):
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, ROOT, "--buildtype=debug", "-Db_coverage=true", "-Dcpp_args=-fprofile-update=atomic"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, *programs(build, suites)], check=True, stdout=subprocess.DEVNULL)
    for old in build.rglob("*.gcda"):
        old.unlink()
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--timeout-multiplier", "10", *(a for s in suites for a in ("--suite", s))], check=True,
                   stdout=subprocess.DEVNULL)
    found = subprocess.run(["gcovr", "-r", ROOT, "--object-directory", build, "--filter", f"{ROOT}/src/", "--exclude-throw-branches", "--json", "-"], check=True,
                           capture_output=True, text=True, cwd=build).stdout
    return {f["file"]: {line["line_number"]: line["count"] > 0 for line in f["lines"] if not line.get("gcovr/noncode")} for f in json.loads(found)["files"]}


def ranges(numbers):
    """3 4 5 9 -> 3-5,9"""
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def share(files):
    total = sum(len(lines) for lines in files)
    covered = sum(sum(lines.values()) for lines in files)
    return f"{100 * covered / total if total else 100:6.2f} %  {covered:>6} of {total:>6} lines"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build-coverage")
    options.add_argument("--suites", nargs="+", default=SUITES)
    options.add_argument("--missing", nargs="*", default=[])
    given = options.parse_args()
    if shutil.which("gcovr") is None:
        print("coverage: no gcovr: apt install gcovr")
        return 2
    files = measure(given.build.resolve(), given.suites)
    for name, lines in sorted(files.items()):
        missed = [n for n, covered in lines.items() if not covered]
        if missed and (not given.missing or any(part in name for part in given.missing)):
            print(f"{100 * (1 - len(missed) / len(lines)):6.2f} %  {name}  {ranges(missed)}")
    print()
    for room in sorted({name.split("/")[1] for name in files}):
        print(f"{share([lines for name, lines in files.items() if name.split('/')[1] == room])}  src/{room}")
    print(f"{share(list(files.values()))}  src")
    print(f"{share([lines for name, lines in files.items() if name.startswith(tuple(PARSERS))])}  the parsers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
