#!/usr/bin/env python3
"""Each header of src/, actors/ and tests/ includes what it uses: it compiles alone.

A header that its own source includes before anything else is compiled alone by the build, unless a precompiled header comes before it;
the others are compiled here.

    tests/lint/headers.py ROOT CACHE_DIR COMPILER [ARGUMENT ...]
    tests/lint/headers.py --self-test COMPILER

One library takes longer to read than all that is ours. It is precompiled for the headers that include it, directly or not: whoever
does so has all of it anyway.

A header that compiled is not tried again until it or a header of ours that it includes changes: CACHE_DIR holds one small
file per header with the digests. EC_LINT_CACHE names another cache folder.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

SLOW = "caf/all.hpp"
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++"]


def headers(root):
    for top in ("src", "actors", "tests"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith(".hpp"):
                    yield os.path.relpath(os.path.join(folder, name), root)


def read_text(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def proven_by_the_build(root, header):
    """Whether the source of the same name begins with this header, which cannot be read twice, and with nothing precompiled."""
    folder = os.path.dirname(header)
    while folder:
        if "cpp_pch" in read_text(os.path.join(root, folder, "meson.build")):
            return False
        folder = os.path.dirname(folder)
    first = re.search(r'^#include\s+["<]([^">]+)', read_text(os.path.join(root, header[: -len(".hpp")] + ".cpp")), re.M)
    if not first or not re.match(r"#pragma once$", read_text(os.path.join(root, header)), re.M):
        return False
    return header in (first.group(1), "src/" + first.group(1))


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def includes(root, header, wanted, known):
    """Whether `header` has `#include <wanted>`, or a header of ours that it includes. `known`: the answers so far."""
    if header not in known:
        known[header] = False # so that a ring ends
        text = read_text(os.path.join(root, header))
        ours = [p for name in re.findall(r'^#include\s+"([^"]+)"', text, re.M) for p in (name, "src/" + name) if os.path.exists(os.path.join(root, p))]
        known[header] = re.search(r"^#include\s+<%s>" % re.escape(wanted), text, re.M) is not None or any(
            includes(root, p, wanted, known) for p in ours)
    return known[header]


def precompile(folder, command):
    """The arguments with which a unit begins with SLOW; none if the compiler cannot."""
    header = os.path.join(folder, "slow.hpp")
    with open(header, "w", encoding="utf-8") as out:
        out.write("#include <%s>\n" % SLOW)
    arguments = [a for a in command if a != "-fsyntax-only" and a != "-x" and a != "c++"]
    done = subprocess.run([*arguments, "-x", "c++-header", "-o", header + ".gch", header], capture_output=True, check=False)
    return ["-include", header] if done.returncode == 0 else []


def compile_one(root, cache, command, header, before=()):
    """Empty if the header compiles behind the arguments `before`, else what the compiler said."""
    record = os.path.join(cache, header.replace("/", "+") + ".json")
    try:
        with open(record, encoding="utf-8") as kept:
            known = json.load(kept)
        if known["command"] == command and all(digest(os.path.join(root, p)) == d for p, d in known["files"].items()):
            return ""
    except (OSError, ValueError, KeyError):
        pass
    with tempfile.TemporaryDirectory() as folder:
        unit, depends = os.path.join(folder, "unit.cpp"), os.path.join(folder, "unit.d")
        with open(unit, "w", encoding="utf-8") as out:
            # Twice: the second must be empty.
            out.write('#include "%s"\n' % os.path.join(root, header) * 2)
        done = subprocess.run([*command, *before, "-MMD", "-MF", depends, unit], cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return done.stderr or "the compiler ended with %d" % done.returncode
        with open(depends, encoding="utf-8") as listed:
            used = [os.path.relpath(os.path.join(root, p), root) for p in listed.read().replace("\\\n", " ").split()[1:]]
    ours = {p: digest(os.path.join(root, p)) for p in used if p.startswith(("src/", "actors/", "tests/"))}
    with open(record + ".new", "w", encoding="utf-8") as out:
        json.dump({"command": command, "files": ours}, out)
    os.replace(record + ".new", record)
    return ""


def check(root, cache, compiler):
    """(number of headers, {header: what is wrong})"""
    root, cache = os.path.abspath(root), os.environ.get("EC_LINT_CACHE") or cache
    os.makedirs(cache, exist_ok=True)
    command = [*compiler, *FLAGS, "-I" + os.path.join(root, "src"), "-I" + root]
    found = sorted(header for header in headers(root) if not proven_by_the_build(root, header))
    known = {}
    slow = {header for header in found if includes(root, header, SLOW, known)}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1)) as pool:
        before = precompile(folder, command) if slow else []
        said = list(pool.map(lambda header: compile_one(root, cache, command, header, before if header in slow else ()), found))
    return len(found), {header: text for header, text in zip(found, said) if text}


def self_test(compiler):
    with tempfile.TemporaryDirectory() as root:
        def write(name, text):
            os.makedirs(os.path.join(root, "src/ts"), exist_ok=True)
            with open(os.path.join(root, "src/ts", name), "w", encoding="utf-8") as out:
                out.write(text)
        cache = os.path.join(root, "cache")
        write("good.hpp", "#pragma once\n#include <cstdint>\nstruct good { uint8_t x; };\n")
        write("user.hpp", '#pragma once\n#include "ts/good.hpp"\nstruct user { good g; };\n')
        assert check(root, cache, compiler) == (2, {})
        assert check(root, cache, compiler) == (2, {}), "from the cache"
        write("good.hpp", "#pragma once\nstruct other {};\n")
        assert list(check(root, cache, compiler)[1]) == ["src/ts/user.hpp"], "a change below is seen through the cache"
        write("good.hpp", "#pragma once\nstruct good { std::string s; };\n")
        assert list(check(root, cache, compiler)[1]) == ["src/ts/good.hpp", "src/ts/user.hpp"], "a missing include is seen"
        write("user.cpp", '#include <string>\n#include "ts/user.hpp"\n')
        assert "src/ts/user.hpp" in check(root, cache, compiler)[1], "a source that includes another first proves nothing"
        write("user.cpp", '#include "ts/user.hpp"\n#include <string>\n')
        assert list(check(root, cache, compiler)[1]) == ["src/ts/good.hpp"], "the build compiles it alone"
        write("meson.build", "static_library('ts', 'user.cpp', cpp_pch: 'pch.hpp')\n")
        assert "src/ts/user.hpp" in check(root, cache, compiler)[1], "what is precompiled comes before it"
        write("good.hpp", "struct good {};\n")
        assert "redefinition" in check(root, cache, compiler)[1]["src/ts/good.hpp"], "a missing guard is seen"
    print("8 checks of the checker")
    return 0


def main():
    if sys.argv[1:2] == ["--self-test"]:
        os.environ.pop("EC_LINT_CACHE", None)
        return self_test(sys.argv[2:])
    if len(sys.argv) < 4:
        print(__doc__)
        return 2
    os.nice(10) # others run beside it that are waited for
    count, wrong = check(sys.argv[1], sys.argv[2], sys.argv[3:])
    for header, text in wrong.items():
        print("==== %s does not compile alone\n%s" % (header, text))
    print("%d headers that the build does not compile alone, %d do not compile alone" % (count, len(wrong)))
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
