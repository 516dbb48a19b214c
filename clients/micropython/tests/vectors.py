# The test vectors of docs/protocol.md, sections 14.3 to 14.6, against umqtt_serial.link. argv[0] is that page.

from umqtt_serial.link import Link


# Bytes as the page has them: 61*3 00.
def unhex(text):
    out = b""
    for word in text.replace("~", " ").split():
        byte, _, times = word.partition("*")
        out += bytes((int(byte, 16),)) * int(times or 1)
    return out


class Stream:
    def __init__(self):
        self.input = b""
        self.output = b""

    def any(self):
        return len(self.input)

    def readinto(self, buf):
        n = min(len(buf), len(self.input))
        buf[:n] = self.input[:n]
        self.input = self.input[n:]
        return n

    def write(self, buf):
        n = min(len(buf), 7)  # in pieces
        self.output += bytes(buf[:n])
        return n


def new():
    got = []
    stream = Stream()
    return stream, Link(stream, 2048, lambda m: got.append(bytes(m))), got


# What is received of bytes that come in pieces of a size.
def receive(data, size):
    stream, link, got = new()
    while data:
        stream.input = data[:size]
        data = data[size:]
        while stream.input:
            link.poll()
    return got


# A body without its Length, or None if that is not true.
def message(body):
    if body[:1] == b"\1" and len(body) > 3:
        return body[3:] if body[1] << 8 | body[2] == len(body) else None
    return body[1:] if len(body) > 1 and body[0] == len(body) else None


def same(id, what, got, want):
    assert got == want, "%s: %s is %s, not %s" % (id, what, got, want)


counts = {}
with open(argv[0]) as page:
    for line in page:
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 5 or not cells[1][1:].isdigit():
            continue
        id = cells[1]
        kind = id[0]
        want = []
        if kind == "M":
            body = unhex(cells[4])
            frame = unhex(cells[5])
            data = frame
            m = message(body)
            if m:  # or it is a forwarder's, whose Length is of its own header
                stream, link, _ = new()
                link.send(m[:4], m[4:])
                same(id, "the frame", stream.output, frame)
                link.send(m)
                same(id, "the frame of a buffer in use again", stream.output, frame + frame)
                want = [m]
        elif kind == "S":
            data = unhex(cells[2])
            for found in cells[3].split("; "):
                if found.startswith("frame ") and message(unhex(found[6:])):
                    want.append(message(unhex(found[6:])))
        elif kind == "F":
            body = unhex(cells[2])
            data = unhex(cells[3])
            if message(body):
                want = [message(body)]
        else:
            continue
        counts[kind] = counts.get(kind, 0) + 1
        for size in (1, 7, 100000):
            same(id, "what is received", receive(data, size), want)
assert len(counts) == 3, counts
print("vectors", counts)
