#!/usr/bin/env python3
"""Fuzzes every decoder for a while: builds the targets with clang's libFuzzer under address and undefined behaviour sanitizers, and prints
what each did.

    tests/fuzz/run.py [--seconds N (60)] [--build DIR (build-fuzz)] [TARGET ...]

Each target begins with its corpus; what it finds stays in DIR/found/TARGET (new inputs) and DIR/crashes/TARGET. The exit code is 1 if one
crashed; a crash becomes a file of the target's corpus, and is then a test.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build(folder, targets):
    env = {**os.environ, "CC": os.environ.get("FUZZ_CC", "clang"), "CXX": os.environ.get("FUZZ_CXX", "clang++")}
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, ROOT, "-Dfuzzing_engine=libfuzzer", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Db_pch=false",
                        "--buildtype=debugoptimized", "-Dwerror=false", f"-Dcpp_args=-fsanitize-ignorelist={ROOT}/tests/fuzz/ignore.txt"], check=True, env=env, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, *(f"tests/fuzz/fuzz-{t}" for t in targets)], check=True, stdout=subprocess.DEVNULL)


def fuzz(folder, target, seconds):
    """(executions, a second, edges, seconds until the last new edge, crashed)"""
    found, crashes = folder / "found" / target, folder / "crashes" / target
    for where in (found, crashes):
        where.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([folder / "tests" / "fuzz" / f"fuzz-{target}", f"-max_total_time={seconds}", "-print_final_stats=1", "-rss_limit_mb=4096",
                           f"-artifact_prefix={crashes}/", found, ROOT / "tests" / "fuzz" / target], capture_output=True, text=True, errors="replace")
    def stat(name):
        hit = re.findall(rf"{name}:?\s+(\d+)", done.stderr)
        return int(hit[-1]) if hit else 0
    if done.returncode != 0:
        print(done.stderr[-3000:])
    return stat("stat::number_of_executed_units"), stat("stat::average_exec_per_sec"), stat(" cov"), stat("stat::new_units_added"), done.returncode != 0


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build-fuzz")
    options.add_argument("targets", nargs="*")
    given = options.parse_args()
    targets = given.targets or sorted(p.name.removesuffix(".fuzz.cpp") for p in (ROOT / "tests" / "fuzz").glob("*.fuzz.cpp"))
    build(given.build, targets)
    print(f"{'target':<18}{'executions':>12}{'a second':>10}{'edges':>8}{'new inputs':>12}  result", flush=True)
    bad = total = 0
    for target in targets:
        runs, speed, edges, new, crashed = fuzz(given.build, target, given.seconds)
        bad, total = bad + crashed, total + runs
        print(f"{target:<18}{runs:>12,}{speed:>10,}{edges:>8,}{new:>12,}  {'CRASHED' if crashed else 'nothing found'}", flush=True)
    print(f"{total:,} executions, {bad} of {len(targets)} targets found something")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
