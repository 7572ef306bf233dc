#!/usr/bin/env python3
"""Checks the rules of docs/architecture.md (rooms, libraries) and of the house style that show in the text of a file.

    tests/lint/tree.py ROOT          prints every breach as FILE:LINE: rule, exit code 1 if there is one
    tests/lint/tree.py --self-test   proves that each rule catches its breach
"""

import os
import re
import sys
import tempfile
import unittest

# Room -> rooms that it may include from (architecture.md, section 4).
ROOMS = {
    "base": set(),
    "crypto": {"base"},
    "ts": {"base"},
    "identity": {"base"},
    "manifest": {"base", "crypto", "identity"},
    "object": {"base", "crypto", "manifest"},
    "moq": {"base"},
    "access": {"base", "crypto", "moq"},
    "quic": {"base", "crypto"},
    "net": {"base"},
    "tuner": {"base", "net"},
    "hls": {"base"},
    "archive": {"base", "crypto"},
    "discovery": {"base", "crypto", "identity", "net"},
    "media": {"base", "ts"},
    "web": set(),
}
SRC_ROOMS = set(ROOMS)
ROOMS["actors"] = SRC_ROOMS - {"web"}
ROOMS["node"] = (SRC_ROOMS - {"web"}) | {"actors"}

# Header prefix -> rooms that may see the library (architecture.md, section 3). Longer prefixes win.
LIBRARIES = {
    "caf/": {"actors", "node"},
    "ngtcp2/": {"quic"},
    "nghttp3/": {"quic"},
    "gnutls/": {"crypto", "quic"},
    "nettle/": {"crypto", "quic"},
    "openssl/": set(),
    "blake3.h": {"crypto"},
    "rapidjson/": {"base"},
    "boost/": set(),
    "boost/outcome/": {"base", "moq"},  # base: result<T>; moq: the three outcomes of a wire decoder
    "boost/program_options": {"node"},
    "dvbpsi/": {"ts"},
    "libhdhomerun/": {"tuner"},
    "curl/": {"net"},
    "microhttpd.h": {"net"},
    "prometheus/": {"node"},
    "spdlog/": {"base"},
    "fmt/": {"base"},
    "libavcodec/": {"media"},
    "libavformat/": {"media"},
    "libavutil/": {"media"},
    "libavfilter/": {"media"},
    "libswscale/": {"media"},
    "libswresample/": {"media"},
    "libtorrent/": {"discovery"},
    "avahi-": {"discovery"},
    "systemd/": {"node"},
    "doctest/": set(),
    "benchmark/": set(),
}
# Library types that an exported header may show: the room is a thin layer over exactly that.
EXPORTED_LIBRARIES = {("base", "boost/outcome/"), ("moq", "boost/outcome/")}
LIBRARY_ROOMS_WITHOUT_EXPORTS = {"actors", "node"}  # nobody builds on them

# Headers by which a file reaches the operating system or starts threads.
SYSTEM = re.compile(
    r"^(sys/.*|netinet/.*|arpa/.*|linux/.*|net/.*|unistd\.h|fcntl\.h|poll\.h|netdb\.h|dirent\.h|pthread\.h|signal\.h|csignal"
    r"|termios\.h|fstream|filesystem|thread|mutex|shared_mutex|condition_variable|future|semaphore)$"
)
SYSTEM_ROOMS = {"quic", "net", "tuner", "archive", "hls", "node", "actors"}
# Files of other rooms that may, and why.
SYSTEM_FILES = {
    "src/base/disk.cpp": "the one place in base with system calls",
    "src/base/file.cpp": "names the flags of base::disk::open",
    "src/base/log.cpp": "one lock around the sink",
    "src/crypto/certificate.cpp": "keeps the node's key and certificate in files, with modes of their own",
    "src/crypto/certificate.hpp": "names those files by std::filesystem::path",
}
CLOCK = re.compile(
    r"\b(steady_clock|system_clock|high_resolution_clock|file_clock|utc_clock|tai_clock|gps_clock)\s*::\s*now\b"
    r"|\b(clock_gettime|gettimeofday|timespec_get)\s*\(|(?<![\w.>:])(?:std::|::)?time\s*\(\s*(nullptr|NULL|0|&)"
)
CLOCK_FILES = {"src/base/clock.cpp"}

LINES_MAX = 600
LONG_FILES = "tests/lint/long_files.txt"
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def library_of(header):
    """The longest prefix of LIBRARIES that `header` starts with."""
    return max((p for p in LIBRARIES if header.startswith(p)), key=len, default=None)


def room_of(path):
    """Room of a path relative to the root; None outside of src/ and actors/."""
    parts = path.split("/")
    if parts[0] == "actors":
        return "actors"
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def strip_comments(text):
    """The text without comments and with empty string literals, line by line as before."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] * 2
        return "\n" * found.count("\n")
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def check_includes(path, room, lines):
    header = path.endswith(".hpp")
    internal = "/internal/" in path
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, name = match.groups()
        if quote == '"':
            parts = name.split("/")
            target = parts[0]
            if len(parts) < 2 or (target not in ROOMS and target != "tests"):
                yield number, 'an include names its room ("%s/...")' % room
            elif target == "tests":
                yield number, "the product does not include tests"
            elif target != room and target not in ROOMS[room]:
                yield number, "%s may not use %s" % (room, target)
            elif target != room and "internal" in parts:
                yield number, "internal headers of %s stay in that room" % target
            continue
        library = library_of(name)
        if library is not None:
            if room not in LIBRARIES[library]:
                yield number, "<%s> belongs to %s" % (name, ", ".join(sorted(LIBRARIES[library])) or "no room")
            elif header and not internal and room not in LIBRARY_ROOMS_WITHOUT_EXPORTS and (room, library) not in EXPORTED_LIBRARIES:
                yield number, "an exported header shows <%s>" % name
        elif SYSTEM.match(name) and room not in SYSTEM_ROOMS and path not in SYSTEM_FILES:
            yield number, "<%s>: %s makes no system calls and starts no threads" % (name, room)


def check_file(path, text):
    """Yields (line, rule) for a source file, `path` relative to the root."""
    lines = text.splitlines()
    room = room_of(path)
    # A precompiled header is compiled as a main file, where the compiler does not take the pragma.
    if path.endswith(".hpp") and not path.endswith("_pch.hpp") and "#pragma once" not in lines:
        yield 1, "a header says #pragma once"
    if room is None:
        return
    if room not in ROOMS:
        yield 1, "no room is called %s" % room
        return
    yield from check_includes(path, room, lines)
    if path not in CLOCK_FILES:
        for number, line in enumerate(strip_comments(text).splitlines(), 1):
            if CLOCK.search(line):
                yield number, "only base/clock reads a clock"


def read_long_files(root):
    """File -> reason, from lines `path: reason`."""
    allowed = {}
    try:
        with open(os.path.join(root, LONG_FILES), encoding="utf-8") as listed:
            for line in listed:
                if line.strip() and not line.startswith("#"):
                    path, _, reason = line.partition(":")
                    allowed[path.strip()] = reason.strip()
    except OSError:
        pass
    return allowed


def source_files(root):
    for top in ("src", "actors", "tests"):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(f for f in folders if f not in ("node_modules", "__pycache__"))
            for name in sorted(names):
                if name.endswith((".hpp", ".cpp", ".py", ".mjs")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def check_tree(root):
    """All breaches as (file, line, rule)."""
    allowed = read_long_files(root)
    found, seen = [], set()
    for path in source_files(root):
        with open(os.path.join(root, path), encoding="utf-8") as source:
            text = source.read()
        if path.endswith((".hpp", ".cpp")):
            found += [(path, line, rule) for line, rule in check_file(path, text)]
        lines = text.count("\n")
        if lines > LINES_MAX:
            seen.add(path)
            if not allowed.get(path):
                found.append((path, lines, "over %d lines: split it, or list it in %s with a reason" % (LINES_MAX, LONG_FILES)))
    for path in sorted(set(allowed) - seen):
        found.append((LONG_FILES, 1, "%s is not over %d lines (any more)" % (path, LINES_MAX)))
    return found, len(list(source_files(root)))


class SelfTest(unittest.TestCase):
    def rules(self, path, text):
        return [rule for _, rule in check_file(path, text)]

    def clean(self, path, *lines):
        self.assertEqual(self.rules(path, "#pragma once\n" + "\n".join(lines)), [])

    def breach(self, rule, path, *lines):
        found = self.rules(path, "#pragma once\n" + "\n".join(lines))
        self.assertEqual(len(found), 1, found)
        self.assertIn(rule, found[0])

    def test_rooms(self):
        self.clean("src/manifest/a.hpp", '#include "crypto/digest.hpp"', '#include "manifest/b.hpp"', "#include <vector>")
        self.breach("ts may not use moq", "src/ts/a.cpp", '#include "moq/session.hpp"')
        self.breach("moq may not use crypto", "src/moq/a.hpp", '  #  include "crypto/digest.hpp"')
        self.breach("actors may not use node", "actors/a.cpp", '#include "node/main.hpp"')
        self.breach("base may not use actors", "src/base/a.cpp", '#include "actors/edge.hpp"')
        self.breach("an include names its room", "src/ts/a.cpp", '#include "packet.hpp"')
        self.breach("does not include tests", "src/ts/a.cpp", '#include "tests/support/data.hpp"')
        self.breach("no room is called attic", "src/attic/a.cpp", "")
        self.breach("internal headers of hls", "actors/a.cpp", '#include "hls/internal/directory.hpp"')
        self.clean("src/hls/a.cpp", '#include "hls/internal/directory.hpp"')

    def test_libraries(self):
        self.clean("src/quic/a.cpp", "#include <ngtcp2/ngtcp2.h>", "#include <gnutls/gnutls.h>")
        self.breach("belongs to quic", "src/moq/a.cpp", "#include <ngtcp2/ngtcp2.h>")
        self.breach("belongs to actors, node", "src/hls/a.cpp", "#include <caf/all.hpp>")
        self.breach("belongs to node", "src/base/a.cpp", "#include <boost/program_options.hpp>")
        self.breach("belongs to no room", "src/ts/a.cpp", "#include <boost/asio.hpp>")
        self.breach("belongs to no room", "src/net/a.cpp", "#include <openssl/ssl.h>")
        self.breach("exported header shows", "src/base/json.hpp", "#include <rapidjson/document.h>")
        self.breach("exported header shows", "src/crypto/digest.hpp", "#include <blake3.h>")
        self.clean("src/quic/internal/conn.hpp", "#include <ngtcp2/ngtcp2.h>")
        self.clean("src/base/result.hpp", "#include <boost/outcome/basic_result.hpp>")
        self.clean("actors/edge.hpp", "#include <caf/all.hpp>")

    def test_system_calls(self):
        self.clean("src/net/a.cpp", "#include <sys/socket.h>", "#include <thread>")
        self.clean("src/base/file.cpp", "#include <unistd.h>")
        for header in ("sys/socket.h", "unistd.h", "fstream", "thread", "filesystem", "csignal"):
            self.breach("makes no system calls", "src/moq/a.cpp", "#include <%s>" % header)
        self.breach("makes no system calls", "src/base/json.cpp", "#include <fcntl.h>")

    def test_clocks(self):
        self.clean("src/base/clock.cpp", "return std::chrono::steady_clock::now();")
        self.breach("reads a clock", "src/net/a.cpp", "auto t = std::chrono::steady_clock::now();")
        self.breach("reads a clock", "actors/a.cpp", "auto t = system_clock :: now();")
        self.breach("reads a clock", "src/ts/a.cpp", "clock_gettime(CLOCK_MONOTONIC, &t);")
        self.breach("reads a clock", "src/ts/a.cpp", "auto t = std::time(nullptr);")
        self.clean("src/ts/a.cpp", "// steady_clock::now() is not for us", 'log("system_clock::now");', "run_time(0);", "x.time(0);")

    def test_headers(self):
        self.assertEqual(self.rules("src/ts/a.hpp", "int a;\n"), ["a header says #pragma once"])
        self.assertEqual(self.rules("tests/support/a.hpp", "int a;\n"), ["a header says #pragma once"])

    def test_long_files(self):
        with tempfile.TemporaryDirectory() as root:
            def write(path, text):
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as out:
                    out.write(text)
            write("src/ts/a.cpp", "\n" * LINES_MAX)
            self.assertEqual(check_tree(root)[0], [])
            write("src/ts/a.cpp", "\n" * (LINES_MAX + 1))
            self.assertIn("over 600 lines", check_tree(root)[0][0][2])
            write(LONG_FILES, "src/ts/a.cpp:\n")
            self.assertEqual(len(check_tree(root)[0]), 1)
            write(LONG_FILES, "# file: reason\nsrc/ts/a.cpp: one table of the standard\n")
            self.assertEqual(check_tree(root)[0], [])
            write("src/ts/a.cpp", "\n")
            self.assertIn("any more", check_tree(root)[0][0][2])


def main():
    if sys.argv[1:] == ["--self-test"]:
        return 0 if unittest.main(argv=["tree"], exit=False).result.wasSuccessful() else 1
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    found, files = check_tree(sys.argv[1])
    for path, line, rule in found:
        print("%s:%d: %s" % (path, line, rule))
    print("%d files, %d breaches" % (files, len(found)))
    return 1 if found or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
