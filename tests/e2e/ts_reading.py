"""An independent reading of transport streams for the end-to-end tests: shares no code with the node."""
import pathlib


def packets(raw):
    """188-byte packets of `raw`, from the first place where five sync bytes stand in a row."""
    start = next((i for i in range(188) if all(i + 188 * n >= len(raw) or raw[i + 188 * n] == 0x47 for n in range(5))), 0)
    return [raw[i:i + 188] for i in range(start, len(raw) - 187, 188) if raw[i] == 0x47]


def pid(p):
    return (p[1] & 0x1F) << 8 | p[2]


def has_payload(p):
    return p[3] & 0x10 != 0


def section(p):
    """The section that begins in this packet, if it fits into it."""
    at = 4 + (p[4] + 1 if p[3] & 0x20 else 0)
    at += p[at] + 1
    return p[at:]


def program(all_packets):
    """PIDs of the video and audio streams of the first program: {pid: stream type}."""
    pmt_pid = None
    for p in all_packets:
        if pmt_pid is None and pid(p) == 0 and p[1] & 0x40:
            s = section(p)
            length = (s[1] & 0x0F) << 8 | s[2]
            for i in range(8, 3 + length - 4, 4):
                if s[i] << 8 | s[i + 1]:
                    pmt_pid = (s[i + 2] & 0x1F) << 8 | s[i + 3]
                    break
        elif pmt_pid is not None and pid(p) == pmt_pid and p[1] & 0x40:
            s = section(p)
            length = (s[1] & 0x0F) << 8 | s[2]
            at = 12 + ((s[10] & 0x0F) << 8 | s[11])
            streams = {}
            while at < 3 + length - 4:
                streams[(s[at + 1] & 0x1F) << 8 | s[at + 2]] = s[at]
                at += 5 + ((s[at + 3] & 0x0F) << 8 | s[at + 4])
            return streams
    return {}


def payloads(all_packets, wanted):
    """(pid, payload bytes) of every packet of the wanted PIDs that carries any, duplicates left out, in order."""
    out = []
    last = {}
    for p in all_packets:
        n = pid(p)
        if n not in wanted or not has_payload(p):
            continue
        if last.get(n) == p:
            continue
        last[n] = p
        at = 4 + (p[4] + 1 if p[3] & 0x20 else 0)
        out.append((n, bytes(p[at:])))
    return out


def contained(part, whole):
    """Where the list `part` stands in the list `whole` without a gap; None if it does not."""
    if not part:
        return None
    first = [i for i, x in enumerate(whole) if x == part[0]]
    for i in first:
        if whole[i:i + len(part)] == part:
            return i
    return None


def segment_payloads(path):
    """The same for a segment of HLS: its own PAT and PMT say which PIDs."""
    all_packets = packets(pathlib.Path(path).read_bytes())
    streams = program(all_packets)
    return set(streams), payloads(all_packets, set(streams))
