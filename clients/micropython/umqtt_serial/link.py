# Frames on a serial line: docs/protocol.md, sections 3 to 5.1.
#
#     frame = 00 COBS(message crc) 00
#
# COBS is done in place, by looking for zeros with find(): a zero and the code byte that stands for it
# take the same room, so nothing moves but at runs of 254 bytes without one. No byte is touched by a
# loop of Python, and nothing is allocated once the buffers are as large as the largest message.

from binascii import crc32
from struct import pack_into
from time import sleep_ms

_ZERO = b"\0"


# Puts messages on the line.
class Writer:
    def __init__(self, stream, longest):
        self.stream = stream
        self.longest = longest
        self.buf = None

    # Sends one message: head begins with MsgType, data is the rest of it. ValueError if it is too long.
    def send(self, head, data=b""):
        size = len(head) + len(data) + 1
        start = 3  # where MsgType comes to stand: after the delimiter, a code byte and Length
        if size > 255:
            size += 2
            start = 5
        if size > self.longest:
            raise ValueError("message too long")
        # The buffer is taken away while it is in use: whoever interrupts this function to send
        # something else (a Timer, a scheduled handler) finds none and makes another.
        buf = self.buf
        self.buf = None
        room = size + size // 254 + 9
        if buf is None or len(buf) < room:
            buf = bytearray(room)
        view = memoryview(buf)
        buf[0] = 0
        if start == 3:
            buf[2] = size
        else:
            buf[2] = 1
            buf[3] = size >> 8
            buf[4] = size & 255
        n = start + len(head)
        buf[start:n] = head
        end = n + len(data)
        buf[n:end] = data
        pack_into("<I", buf, end, crc32(view[2:end]))
        end += 4
        buf[end] = 0
        # Each zero becomes the distance to the next; the delimiter is the last.
        code = 1
        while code < end:
            zero = buf.find(_ZERO, code + 1)
            while zero - code > 254 + (zero == end):
                # 254 bytes without a zero: ff, and room for the next code byte.
                buf[code] = 255
                code += 255
                view[code + 1 : end + 2] = view[code : end + 1]
                zero += 1
                end += 1
            buf[code] = zero - code
            code = zero
        buf[end] = 0
        self.write(view[: end + 1])
        self.buf = buf

    # Writes all of buf, at once if the stream takes it at once.
    def write(self, buf):
        patience = 1000
        while 1:
            n = self.stream.write(buf)
            if n == len(buf):
                return
            if n:
                buf = buf[n:]
            else:
                patience -= 1
                if not patience:
                    raise OSError(110)  # ETIMEDOUT
                sleep_ms(1)


# Takes messages off the line.
class Reader:
    def __init__(self, stream, longest):
        self.stream = stream
        longest += 4
        self.longest = longest + longest // 254 + 2  # of a run, with a delimiter
        self.buf = bytearray(128)  # grows if a frame needs it
        self.begin = 0  # of what is not looked at yet
        self.end = 0

    # Reads what there is, and never waits.
    def fill(self):
        any = self.stream.any()
        if not any:
            return
        buf = self.buf
        if self.begin:
            # The beginning of a run is left: it moves to the front.
            end = self.end - self.begin
            buf[:end] = buf[self.begin : self.end]
            self.begin = 0
            self.end = end
        room = len(buf) - self.end
        if room < any and len(buf) < self.longest:
            bigger = bytearray(min(self.longest, max(2 * len(buf), self.end + any)))
            bigger[: self.end] = memoryview(buf)[: self.end]
            self.buf = buf = bigger
            room = len(buf) - self.end
        if not room:
            # Longer than any frame. Its first byte stays, so that what follows is no run of its own.
            self.end = 1
            room = len(buf) - 1
        self.end += self.stream.readinto(memoryview(buf)[self.end : self.end + min(any, room)]) or 0

    # The next message that came whole, from MsgType on, valid until fill(); None if there is none.
    def next(self):
        while 1:
            zero = self.buf.find(_ZERO, self.begin, self.end)
            if zero < 0:
                return None
            begin = self.begin
            self.begin = zero + 1
            if zero - begin > 6:
                message = self.decode(begin, zero)
                if message:
                    return message

    # Decodes the run buf[first:end], if it is a frame.
    def decode(self, first, end):
        buf = self.buf
        view = memoryview(buf)
        at = first
        code = buf[at]
        while 1:
            next = at + code
            if next >= end:
                break
            at = next
            if code == 255:
                # No zero here: what is decoded moves up and covers the code byte.
                code = buf[at]
                view[first + 1 : at + 1] = view[first:at]
                first += 1
            else:
                code = buf[at]
                buf[at] = 0
        first += 1
        if next > end or crc32(view[first:end]) != 0x2144DF1C:  # what the CRC of all with its CRC is
            return None
        end -= 4
        size = buf[first]
        head = 1
        if size == 1:
            size = buf[first + 1] << 8 | buf[first + 2]
            head = 3
        if size != end - first or size <= head:
            return None
        return view[first + head : end]
