"""Media by the tools of other projects through a relay: who publishes, who takes it, and how many frames came."""
import os
import shutil
import subprocess
import time

FPS = 24
SECONDS = 12       # of media, played at its own pace
TAKEN = 5.0        # seconds that a subscriber takes part
FRAMES = 2 * FPS   # that must come in that time, in whole pictures
FRAGMENTS = "cmaf+frag_every_frame+delay_moov+skip_trailer"
NAMES = {"moqt-18": "moq-transport-18", "moqt-16": "moq-transport-16"}  # as `moq` calls them


def missing():
    """The programs that are not installed."""
    return [name for name in ("ffmpeg", "ffprobe") if shutil.which(name) is None]


def source(folder):
    """A short broadcast as fragmented MP4, one picture a fragment: its path."""
    path = os.path.join(folder, "source.mp4")
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", f"testsrc=size=320x180:rate={FPS}", "-t", str(SECONDS), "-pix_fmt", "yuv420p", "-c:v", "libx264",
                    "-preset", "ultrafast", "-g", str(FPS), "-f", "mp4", "-movflags", FRAGMENTS, path], check=True)
    return path


class Tool:
    """One that publishes from standard input, or takes to standard output."""

    def __init__(self, name, versions, publish, take):
        self.name, self.versions, self.publish, self.take = name, versions, publish, take


def tools(folder):
    """Of the crates moq-pub and moq-sub, and of moq-cli, whose program is `moq`."""
    def program(name):
        return os.path.join(folder, name)

    def moq(url, version, *rest):
        return [program("moq"), "--log-level", "warn", "--connect", url, "--connect-tls-insecure", "--connect-version", NAMES.get(version, version), *rest]

    return (Tool("moq-pub, moq-sub", ("moqt-18",),
                 lambda url, name, _: [program("moq-pub"), "--tls-disable-verify", "--name", name, url],
                 lambda url, name, _: [program("moq-sub"), "--tls-disable-verify", "--name", name, url]),
            Tool("moq", ("moqt-18", "moqt-16", "moq-lite-05", "moq-lite-04", "moq-lite-03"),
                 lambda url, name, version: moq(url, version, "import", "--broadcast", name + ".hang", "fmp4"),
                 lambda url, name, version: moq(url, version, "export", "--broadcast", name + ".hang", "fmp4")))


def frames(path):
    """Pictures that can be read in an MP4 that may be cut off."""
    done = subprocess.run(["ffprobe", "-loglevel", "quiet", "-count_packets", "-select_streams", "v", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path],
                          capture_output=True, text=True)
    return int(done.stdout.strip().rstrip(",") or 0)


def through(tool, version, url, media, folder):
    """Publishes and takes through the relay at `url`: how many frames came, and what the two said last if that is not enough."""
    name = "media"
    out, said = os.path.join(folder, "out.mp4"), os.path.join(folder, "said.log")
    with open(said, "wb") as log, open(out, "wb") as taken:
        player = subprocess.Popen(["ffmpeg", "-loglevel", "error", "-re", "-i", media, "-c", "copy", "-f", "mp4", "-movflags", FRAGMENTS, "-"], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        publisher = subprocess.Popen(tool.publish(url, name, version), stdin=player.stdout, stdout=log, stderr=log)
        player.stdout.close()
        try:
            time.sleep(2.0)
            taker = subprocess.Popen(tool.take(url, name, version), stdin=subprocess.DEVNULL, stdout=taken, stderr=log)
            try:
                taker.wait(TAKEN)
            except subprocess.TimeoutExpired:
                taker.terminate()
                taker.wait(10)
        finally:
            for process in (publisher, player):
                process.terminate()
                process.wait(10)
    with open(said, "r", encoding="utf-8", errors="replace") as log:
        last = " ".join(log.read().split())[-160:]
    count = frames(out)
    return count, "" if count >= FRAMES else last
