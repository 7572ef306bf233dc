#!/usr/bin/env python3
"""Runs the tests of a build directory and counts what ran, test case by test case.

    tests/run.py BUILD_DIR [--counts FILE] [-- MESON TEST ARGUMENTS]
    tests/run.py --sum FILE ...          adds up what earlier runs wrote with --counts, and says again what failed
    tests/run.py --self-test

A doctest program counts one per test case; a test case that printed a line `SKIPPED: <its name>: <why>` counts as
skipped, not as passed. Every other test (fuzz replay, script) counts one; exit code 77 means skipped, and each part that a
script names with `SKIPPED: ...` counts as skipped besides. The last line is `N passed, N failed, N skipped`; the exit code
is 0 only if something passed and nothing failed.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

CASES = re.compile(r"\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SKIPPED = re.compile(r"^SKIPPED: (.*)$", re.M)
OUTPUT_LINES_SHOWN = 200
OUTPUT_LINES_SAID_AGAIN = 40 # behind a long log, by --sum


def skipped_names(text):
    """What was skipped, each once: a test case that misses two files prints two lines."""
    return list(dict.fromkeys(re.split(r": no ", line, maxsplit=1)[0] for line in SKIPPED.findall(text)))


def count_one(entry):
    """(passed, failed, names of skipped) of one entry of meson's testlog.json."""
    text = COLOUR.sub("", entry.get("stdout", "") or "")
    good = entry["result"] in ("OK", "EXPECTEDFAIL")
    names = skipped_names(text)
    cases = CASES.findall(text)
    if cases:
        ran, passed, failed, _ = (sum(int(c[i]) for c in cases) for i in range(4))
        # Cases that a filter left out are none of this run.
        names = names[:passed]
        if not good and failed == 0:
            failed = 1  # it failed outside of a test case: a sanitizer's report at exit, say
        if ran == 0:
            failed += 1
        return passed - len(names), failed, names
    if entry["result"] == "SKIP":
        return 0, 0, names or [entry["name"]]
    if not good:
        return 0, 1, names
    return 1, 0, names


def count(entries):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    bad, skipped = [], []
    for entry in entries:
        passed, failed, names = count_one(entry)
        total["passed"] += passed
        total["failed"] += failed
        total["skipped"] += len(names)
        skipped += ["%s: %s" % (entry["name"], name) for name in names]
        if failed:
            bad.append(entry)
    return total, bad, skipped


def last_line(total):
    return "%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % total


def is_good(total):
    return total["failed"] == 0 and total["passed"] > 0


def read_log(path):
    entries = []
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                try:
                    entries.append(json.loads(line))
                except ValueError:
                    entries.append({"name": "a line of " + path, "result": "ERROR", "stdout": line})
    except OSError:
        pass
    return entries


def show_failure(entry, lines_shown=OUTPUT_LINES_SHOWN):
    print("\n==== %s: %s (exit code %s)" % (entry["name"], entry["result"], entry.get("returncode")))
    for stream in ("stderr", "stdout"):
        lines = (entry.get(stream) or "").rstrip().splitlines()
        if not lines:
            continue
        print("---- %s%s" % (stream, ", last %d lines" % lines_shown if len(lines) > lines_shown else ""))
        print("\n".join(lines[-lines_shown:]))


def run(build, counts, arguments):
    log = os.path.join(build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.remove(log)  # or a run that never starts would count the one before
    code = subprocess.call(["meson", "test", "-C", build, "--no-rebuild", *arguments], stdin=subprocess.DEVNULL)
    entries = read_log(log)
    total, bad, skipped = count(entries)
    if code != 0 and not bad:
        print("meson test ended with %d" % code)
        total["failed"] += 1
    for entry in bad:
        show_failure(entry)
    if skipped:
        print("\nskipped:\n  " + "\n  ".join(skipped))
    if not entries:
        print("no test ran")
    return finish(total, counts, bad)


def finish(total, counts=None, bad=()):
    if counts:
        with open(counts, "w", encoding="utf-8") as out:
            json.dump({**total, "bad": list(bad)}, out)
    print(last_line(total), flush=True)
    return 0 if is_good(total) else 1


def add_up(files):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for file in files:
        try:
            with open(file, encoding="utf-8") as part:
                counted = json.load(part)
            for key in total:
                total[key] += counted[key]
            for entry in counted.get("bad", []):
                show_failure(entry, OUTPUT_LINES_SAID_AGAIN)
        except (OSError, ValueError, KeyError):
            print("no counts in %s: that run never ended" % file)
            total["failed"] += 1
    return finish(total)


class SelfTest(unittest.TestCase):
    """The counter counts what happened, and nothing that did not."""

    @staticmethod
    def doctest(passed, failed, before="", result="OK"):
        text = "%s[doctest] test cases: %2d | %2d passed | %d failed | 0 skipped\n" % (before, passed + failed, passed, failed)
        return {"name": "t", "result": result, "stdout": text}

    def counted(self, *entries):
        total = count(entries)[0]
        return total["passed"], total["failed"], total["skipped"]

    def test_cases_are_counted_one_by_one(self):
        self.assertEqual(self.counted(self.doctest(48, 0), self.doctest(3, 2, result="FAIL")), (51, 2, 0))

    def test_a_skipped_case_has_not_passed_and_counts_once(self):
        lines = "SKIPPED: a: b: no /x (set EC_TEST_DATA)\nSKIPPED: a: b: no /y (set EC_TEST_DATA)\nSKIPPED: c: no /z\n"
        self.assertEqual(self.counted(self.doctest(5, 0, lines)), (3, 0, 2))

    def test_coloured_output_is_read(self):
        entry = self.doctest(5, 0)
        entry["stdout"] = entry["stdout"].replace("5 passed", "\x1b[0;32m5 passed\x1b[0m")
        self.assertEqual(self.counted(entry), (5, 0, 0))

    def test_a_program_that_dies_is_a_failure_though_its_cases_passed(self):
        self.assertEqual(self.counted(self.doctest(4, 0, result="FAIL")), (4, 1, 0))
        self.assertEqual(self.counted({"name": "t", "result": "TIMEOUT", "stdout": ""}), (0, 1, 0))
        self.assertEqual(self.counted({"name": "t", "result": "ERROR"}), (0, 1, 0))

    def test_a_program_without_a_case_is_a_failure(self):
        self.assertEqual(self.counted(self.doctest(0, 0)), (0, 1, 0))

    def test_scripts_count_one_each(self):
        self.assertEqual(self.counted({"name": "t", "result": "OK", "stdout": "13 inputs replayed\n"}), (1, 0, 0))
        self.assertEqual(self.counted({"name": "t", "result": "SKIP", "stdout": ""}), (0, 0, 1))
        self.assertEqual(self.counted({"name": "t", "result": "OK", "stdout": "SKIPPED: browser: no chromium\n"}), (1, 0, 1))

    def test_nothing_at_all_is_a_failure(self):
        self.assertFalse(is_good(count([])[0]))
        self.assertFalse(is_good({"passed": 0, "failed": 0, "skipped": 3}))

    def test_a_run_that_never_ended_fails_the_sum(self):
        with tempfile.TemporaryDirectory() as folder:
            done = os.path.join(folder, "done")
            with open(done, "w", encoding="utf-8") as out:
                json.dump({"passed": 5, "failed": 0, "skipped": 1}, out)
            self.assertEqual(add_up([done, done]), 0)
            self.assertEqual(add_up([done, os.path.join(folder, "missing")]), 1)

    def test_the_sum_says_again_what_failed(self):
        with tempfile.TemporaryDirectory() as folder:
            counts = os.path.join(folder, "counts")
            failed = self.doctest(3, 1, "\n".join("line %d" % i for i in range(100)), result="FAIL")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                finish(count([failed])[0], counts, [failed])
                code = add_up([counts])
        self.assertEqual(code, 1)
        self.assertIn("==== t: FAIL", said.getvalue())
        self.assertIn("line 99", said.getvalue())
        self.assertNotIn("line 20\n", said.getvalue())


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--self-test"]:
        return 0 if unittest.main(argv=["run"], exit=False).result.wasSuccessful() else 1
    if arguments[:1] == ["--sum"]:
        return add_up(arguments[1:])
    if not arguments or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    build, rest, counts = arguments[0], arguments[1:], None
    if rest[:1] == ["--counts"]:
        counts, rest = rest[1], rest[2:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    return run(build, counts, rest)


if __name__ == "__main__":
    sys.exit(main())
