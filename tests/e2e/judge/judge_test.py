#!/usr/bin/env python3
"""Proves that a judge judges: playlists made by FFmpeg pass, each kind of broken one fails for its own reason.

    tests/e2e/judge/judge_test.py ffprobe|parser|browser
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
JUDGES = {
    "ffprobe": [sys.executable, os.path.join(HERE, "hls_judge.py")],
    "parser": ["node", os.path.join(HERE, "parser_judge.mjs")],
    "browser": ["node", os.path.join(HERE, "browser_judge.mjs")],
}
CODECS = {
    "h264": ["-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0", "-bf", "2", "-c:a", "aac"],
    "mpeg2": ["-c:v", "mpeg2video", "-b:v", "2M", "-bf", "2", "-sc_threshold", "1000000000", "-flags", "+cgop", "-c:a", "ac3"],
}


def skip(judge, why):
    print("SKIPPED: judge %s: no %s" % (judge, why))
    sys.exit(77)


class Judging(unittest.TestCase):
    judge, codec = "ffprobe", "h264"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.good = os.path.join(cls.folder.name, "good-" + cls.codec)
        cls.make(cls.good, cls.codec)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def make(folder, codec):
        os.makedirs(folder)
        subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine", "-t",
             "6", "-pix_fmt", "yuv420p", "-g", "50", *CODECS[codec], "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod",
             "-hls_segment_filename", os.path.join(folder, "s%d.ts"), os.path.join(folder, "index.m3u8")],
            check=True, timeout=60)

    def copy(self):
        folder = os.path.join(self.folder.name, self.id().rsplit(".", 1)[1])
        shutil.copytree(self.good, folder)
        return folder

    def edit(self, folder, pattern, put):
        path = os.path.join(folder, "index.m3u8")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        changed = re.sub(pattern, put, text, count=1)
        self.assertNotEqual(text, changed)
        with open(path, "w", encoding="utf-8") as file:
            file.write(changed)

    def change_bytes(self, folder, name, change):
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        with open(path, "wb") as file:
            file.write(change(data))

    def cut_sound(self, folder, name, which):
        """Takes one packet of the sound out of a segment: the frame in it is cut short."""
        def cut(data):
            packets = [data[at:at + 188] for at in range(0, len(data), 188)]
            sound = [n for n, packet in enumerate(packets) if (packet[1] & 0x1F) << 8 | packet[2] == 0x101]
            del packets[sound[which]]
            return b"".join(packets)
        self.change_bytes(folder, name, cut)

    def with_sound_cut(self, name, which):
        folder = self.copy()
        self.cut_sound(folder, name, which)
        return folder

    def verdict(self, folder):
        path = folder if self.judge != "parser" else os.path.join(folder, "index.m3u8")
        extra = ["--rate", "2"] if self.judge == "browser" else []
        done = subprocess.run([*JUDGES[self.judge], path, *extra], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=150, check=False)
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if report["problems"] else 0)
        return report["problems"]

    def passes(self, folder):
        self.assertEqual(self.verdict(folder), [])

    def fails(self, folder, why):
        problems = self.verdict(folder)
        self.assertTrue(any(why in problem for problem in problems), "%r is not among %r" % (why, problems))


class Ffprobe(Judging):
    """hls_judge.py"""

    def test_a_good_playlist_passes(self):
        self.passes(self.good)

    def test_a_live_playlist_is_judged_from_its_first_segment(self):
        folder = self.copy()
        self.edit(folder, "#EXT-X-ENDLIST\n", "")
        self.edit(folder, "#EXT-X-PLAYLIST-TYPE:VOD\n", "")
        self.passes(folder)

    def test_a_wrong_duration_fails(self):
        folder = self.copy()
        self.edit(folder, "2.000000", "2.090000")
        self.fails(folder, "its pictures take 2.00000 s")

    def test_a_duration_over_the_target_fails(self):
        folder = self.copy()
        self.edit(folder, "TARGETDURATION:2", "TARGETDURATION:1")
        self.fails(folder, "is over the target duration 1")

    def test_a_missing_segment_fails(self):
        folder = self.copy()
        os.remove(os.path.join(folder, "s1.ts"))
        self.fails(folder, "s1.ts has no video")

    def test_swapped_segments_fail(self):
        folder = self.copy()
        self.edit(folder, "s1.ts", "s9.ts")
        self.edit(folder, "s2.ts", "s1.ts")
        self.edit(folder, "s9.ts", "s2.ts")
        self.fails(folder, "DTS goes back")

    def test_flipped_bytes_fail(self):
        folder = self.copy()

        def flip(data):
            for at in range(188 * 20 + 40, len(data), 188 * 7):
                data[at] ^= 0xFF
            return data
        self.change_bytes(folder, "s1.ts", flip)
        self.fails(folder, "the decoders complained")

    def test_a_segment_that_opens_in_the_middle_of_a_gop_fails(self):
        folder = self.copy()
        # Its PAT and PMT stay; the packets of the first picture go.
        self.change_bytes(folder, "s1.ts", lambda data: data[:188 * 3] + data[188 * (len(data) // 188 // 2):])
        self.fails(folder, "does not open with a random access point")

    def test_an_empty_playlist_fails(self):
        folder = self.copy()
        with open(os.path.join(folder, "index.m3u8"), "w", encoding="utf-8") as file:
            file.write("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n")
        self.fails(folder, "lists no segment")


    def test_a_last_sound_frame_that_is_cut_passes(self):
        self.passes(self.with_sound_cut("s2.ts", -1))

    def test_sound_frames_that_are_cut_elsewhere_too_fail(self):
        folder = self.with_sound_cut("s2.ts", -1)
        for at in (20, 10):
            self.cut_sound(folder, "s1.ts", at)
        self.fails(folder, "the decoders complained")


class FfprobeMpeg2(Judging):
    """hls_judge.py on MPEG-2 and AC-3"""
    codec = "mpeg2"

    def test_a_good_playlist_passes(self):
        self.passes(self.good)

    def test_a_last_sound_frame_that_is_cut_passes(self):
        self.passes(self.with_sound_cut("s2.ts", -1))


class Parser(Judging):
    """parser_judge.mjs"""
    judge = "parser"

    def test_a_good_playlist_passes(self):
        self.passes(self.good)

    def test_our_golden_playlists_pass(self):
        vectors = os.path.join(HERE, "../../vectors/hls")
        names = sorted(os.listdir(vectors))
        self.assertGreaterEqual(len(names), 2)
        for name in names:
            folder = os.path.join(self.folder.name, name)
            os.makedirs(folder)
            shutil.copy(os.path.join(vectors, name), os.path.join(folder, "index.m3u8"))
            self.passes(folder)

    def test_a_duration_over_the_target_fails(self):
        folder = self.copy()
        self.edit(folder, "2.000000", "2.600000")
        self.fails(folder, "uration")

    def test_a_missing_target_duration_fails(self):
        folder = self.copy()
        self.edit(folder, "#EXT-X-TARGETDURATION:2\n", "")
        self.fails(folder, "TARGETDURATION")

    def test_a_segment_without_a_duration_fails(self):
        folder = self.copy()
        self.edit(folder, "#EXTINF:2.000000,\n", "")
        self.fails(folder, "not preceded by any segment tags")

    def test_a_missing_first_line_fails(self):
        folder = self.copy()
        self.edit(folder, "#EXTM3U\n", "")
        self.fails(folder, "EXTM3U")


class Browser(Judging):
    """browser_judge.mjs"""
    judge = "browser"

    def test_a_good_playlist_plays_to_its_end(self):
        self.passes(self.good)

    def test_a_missing_segment_fails(self):
        folder = self.copy()
        os.remove(os.path.join(folder, "s1.ts"))
        self.fails(folder, "fragLoadError")

    def test_a_segment_that_is_no_ts_fails(self):
        folder = self.copy()
        self.change_bytes(folder, "s1.ts", lambda data: bytes(len(data)))
        self.fails(folder, "fragParsingError")

    def test_a_playlist_that_is_none_fails(self):
        folder = self.copy()
        with open(os.path.join(folder, "index.m3u8"), "w", encoding="utf-8") as file:
            file.write("nothing\n")
        self.fails(folder, "manifestParsingError")


def main():
    judge = sys.argv[1] if len(sys.argv) == 2 else ""
    if judge not in JUDGES:
        print(__doc__)
        return 2
    for tool in ("ffmpeg", "ffprobe", "node")[: 2 if judge == "ffprobe" else 3]:
        if not shutil.which(tool):
            skip(judge, tool)
    if judge == "browser" and not any(map(os.path.exists, ("/usr/bin/chromium", "/usr/bin/chromium-browser"))):
        skip(judge, "Chromium")
    if judge != "ffprobe":
        # Both need the npm packages; the parser's judge says at once whether they are there.
        asked = subprocess.run([*JUDGES["parser"], HERE], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if asked.returncode == 77:
            skip(judge, "npm packages (deploy/setup-judges.sh installs them)")
    cases = {"ffprobe": (Ffprobe, FfprobeMpeg2), "parser": (Parser,), "browser": (Browser,)}[judge]
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(case) for case in cases)
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
