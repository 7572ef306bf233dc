#!/usr/bin/env python3
"""Judges an HLS directory by what FFmpeg makes of it.

    tests/e2e/judge/hls_judge.py DIR_OR_PLAYLIST [--max-decode-errors N] [--any-start] [--no-audio]

Every segment opens with a random access point (unless --any-start) and has its streams; timestamps rise within and across
segments, but for marked discontinuities; each EXTINF, and their sum, is what the pictures take, within a frame; all of
it decodes, sound and picture, without a complaint of the decoders (a broadcast that opens with pictures that refer to ones
before it may be granted some). A segment ends where the pictures of the next one begin, so the last sound frame of the last
segment may be cut in two: one complaint of a frame that is cut short, and no other, is taken for that. Prints one JSON object; exit code 0: nothing found, 1: something, 77: FFmpeg is missing.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from fractions import Fraction

PTS_TURN = 1 << 33
CUT_SHORT = re.compile(r"incomplete frame|Input buffer exhausted")


def read_playlist(path):
    """(target duration, [(seconds, file, discontinuity before it)], problems)"""
    segments, target, problems, pending, broken = [], None, [], None, False
    with open(path, encoding="utf-8") as playlist:
        lines = playlist.read().splitlines()
    if lines[:1] != ["#EXTM3U"]:
        problems.append("the playlist does not open with #EXTM3U")
    for line in lines:
        if line.startswith("#EXT-X-TARGETDURATION:"):
            target = int(line.split(":", 1)[1])
        elif line == "#EXT-X-DISCONTINUITY":
            broken = True
        elif line.startswith("#EXTINF:"):
            pending = Fraction(line.split(":", 1)[1].split(",")[0])
        elif line and not line.startswith("#"):
            if pending is None:
                problems.append("%s has no EXTINF" % line)
            segments.append((pending or Fraction(0), os.path.join(os.path.dirname(path), line), broken))
            pending, broken = None, False
    if target is None:
        problems.append("the playlist has no EXT-X-TARGETDURATION")
    if not segments:
        problems.append("the playlist lists no segment")
    for seconds, file, _ in segments:
        if target is not None and int(seconds + Fraction(1, 2)) > target:
            problems.append("%s: EXTINF %s is over the target duration %d" % (os.path.basename(file), float(seconds), target))
    return target, segments, problems


def probe(file):
    """What ffprobe sees in one segment file by itself."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "stream=index,codec_type,codec_name,time_base,r_frame_rate",
         "-show_entries", "packet=stream_index,pts,dts,duration,flags", file],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    try:
        return json.loads(done.stdout or "{}"), done.stderr.strip()
    except ValueError:
        return {}, done.stderr.strip() or "ffprobe printed no JSON"


class Track:
    """Timestamps of one kind of stream (video, audio) of one segment, in seconds."""

    def __init__(self, found, kind):
        streams = [s for s in found.get("streams", []) if s["codec_type"] == kind]
        self.codec = streams[0].get("codec_name") if streams else None
        index = streams[0]["index"] if streams else None
        base = Fraction(streams[0]["time_base"]) if streams else Fraction(1, 90000)
        packets = [p for p in found.get("packets", []) if p["stream_index"] == index]
        rate = Fraction(streams[0]["r_frame_rate"]) if streams and not streams[0]["r_frame_rate"].startswith("0/") else Fraction(25)
        self.frame = 1 / rate if kind == "video" else Fraction(1, 10)
        self.packets = packets
        self.dts = [p["dts"] * base for p in packets if "dts" in p]
        stamped = [(p["pts"] * base, p.get("duration", 0) * base) for p in packets if "pts" in p]
        self.first = min((t for t, _ in stamped), default=None)
        self.end = max((t + (d or self.frame) for t, d in stamped), default=None)


def step(later, earlier):
    """later - earlier on a clock of 33 bits at 90 kHz."""
    turn = Fraction(PTS_TURN, 90000)
    return (later - earlier + turn / 2) % turn - turn / 2


def check_segment(name, tracks, want_audio, any_start, problems):
    for kind in ("video", "audio") if want_audio else ("video",):
        track = tracks[kind]
        if not track.packets:
            problems.append("%s has no %s" % (name, kind))
            continue
        for before, after in zip(track.dts, track.dts[1:]):
            if step(after, before) <= 0:
                problems.append("%s: %s DTS goes from %.5f to %.5f" % (name, kind, before, after))
                break
    video = tracks["video"].packets
    if video and not any_start and "K" not in video[0].get("flags", ""):
        problems.append("%s does not open with a random access point" % name)


def check_edges(segments, tracks, problems):
    """Each segment lasts until the next one opens, or, before a break or the end, until its last picture does."""
    stated = measured = Fraction(0)
    frame = Fraction(0)
    for i, (seconds, file, _) in enumerate(segments):
        video = tracks[i]["video"]
        if video.first is None:
            continue
        following = i + 1 < len(segments) and not segments[i + 1][2] and tracks[i + 1]["video"].first is not None
        lasts = step(tracks[i + 1]["video"].first, video.first) if following else step(video.end, video.first)
        stated, measured, frame = stated + seconds, measured + lasts, max(frame, video.frame)
        name = os.path.basename(file)
        if abs(lasts - seconds) > video.frame:
            problems.append("%s: EXTINF says %.5f s, its pictures take %.5f s" % (name, seconds, lasts))
        for kind in ("video", "audio"):
            here, there = tracks[i][kind].dts, tracks[i + 1][kind].dts if following else []
            if here and there and step(there[0], here[-1]) <= 0:
                problems.append("%s: %s DTS goes back to %.5f in the next segment" % (name, kind, there[0]))
    if abs(stated - measured) > frame:
        problems.append("the EXTINF add up to %.5f s, the pictures to %.5f s" % (stated, measured))
    return stated, measured


def decode(playlist):
    """Frames decoded per kind, and what the decoders complained of, over the playlist from its first segment to its last."""
    with tempfile.TemporaryDirectory() as folder:
        # A live playlist has no end, and a player would begin near its edge: judge all of it.
        whole = os.path.join(folder, "whole.m3u8")
        with open(playlist, encoding="utf-8") as source, open(whole, "w", encoding="utf-8") as out:
            for line in source.read().splitlines():
                if line.startswith("#EXT-X-ENDLIST"):
                    continue
                out.write((line if line.startswith("#") or not line else
                           "file://" + os.path.abspath(os.path.join(os.path.dirname(playlist), line))) + "\n")
            out.write("#EXT-X-ENDLIST\n")
        frames, complaints, cut = {}, [], 0
        for kind, select in (("video", "0:v:0"), ("audio", "0:a:0")):
            done = subprocess.run(
                ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-allowed_extensions", "ALL", "-i", whole,
                 "-map", select + "?", "-f", "framehash", "-fps_mode" if kind == "video" else "-ac",
                 "passthrough" if kind == "video" else "2", "-"],
                capture_output=True, text=True, check=False)
            frames[kind] = sum(1 for line in done.stdout.splitlines() if line and not line.startswith("#"))
            said = [line for line in done.stderr.splitlines() if line.strip()]
            if kind == "audio" and said and CUT_SHORT.search(said[0]) and (len(said) == 1 or (len(said) == 2 and "Error" in said[1])):
                said, cut = [], 1  # the decoder says it, and for some codecs its caller says it again
            complaints += said
            if done.returncode != 0 and not done.stderr.strip():
                complaints.append("ffmpeg ended with %d" % done.returncode)
        return frames, complaints, cut


def judge(path, max_decode_errors=0, any_start=False, want_audio=True):
    playlist = os.path.join(path, "index.m3u8") if os.path.isdir(path) else path
    report = {"playlist": playlist, "segments": 0, "problems": []}
    problems = report["problems"]
    try:
        _, segments, found = read_playlist(playlist)
    except (OSError, ValueError) as why:
        problems.append("cannot read %s: %s" % (playlist, why))
        return report
    problems += found
    report["segments"] = len(segments)
    tracks = []
    for _, file, _ in segments:
        seen, said = probe(file)
        if said:
            problems.append("%s: ffprobe: %s" % (os.path.basename(file), said.splitlines()[0]))
        tracks.append({kind: Track(seen, kind) for kind in ("video", "audio")})
        check_segment(os.path.basename(file), tracks[-1], want_audio, any_start, problems)
    if not segments:
        return report
    stated, measured = check_edges(segments, tracks, problems)
    frames, complaints, cut = decode(playlist)
    report.update(codecs=sorted({t.codec for pair in tracks for t in pair.values() if t.codec}), extinf_s=float(stated),
                  measured_s=float(measured), video_frames=frames["video"], audio_frames=frames["audio"],
                  decode_errors=len(complaints), cut_sound_frames=cut)
    listed = sum(len(pair["video"].packets) for pair in tracks)
    # Field-coded pictures come as two packets for a frame.
    if not listed / 2 - 1 <= frames["video"] <= listed + 1:
        problems.append("%d video packets gave %d frames" % (listed, frames["video"]))
    if want_audio and frames["audio"] == 0:
        problems.append("no sound was decoded")
    if len(complaints) > max_decode_errors:
        problems.append("the decoders complained %d times, first: %s" % (len(complaints), complaints[0]))
    return report


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("path")
    options.add_argument("--max-decode-errors", type=int, default=0)
    options.add_argument("--any-start", action="store_true")
    options.add_argument("--no-audio", action="store_true")
    given = options.parse_args()
    if not shutil.which("ffprobe") or not shutil.which("ffmpeg"):
        print("SKIPPED: hls_judge: no ffprobe (apt install ffmpeg)")
        return 77
    report = judge(given.path, given.max_decode_errors, given.any_start, not given.no_audio)
    print(json.dumps(report, indent=1))
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
