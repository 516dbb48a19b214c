# Frames on a serial line: docs/protocol.md, sections 3 to 5.1.
#
#     frame = 00 COBS(message crc) 00
#
# COBS is undone and done in place, by looking for zeros with find(): a zero and the code byte that stands
# for it take the same room, so nothing moves but at runs of 254 bytes without one. No loop of Python
# touches every byte, and buffers are used again.

from binascii import crc32
from struct import pack_into
from time import sleep_ms


class Link:
    # receive is called with each message that has come, from MsgType on; what it is given is valid
    # until it returns.
    def __init__(self, stream, longest, receive):
        self.stream = stream
        self.longest = longest
        self.receive = receive
        self.tx = self.rx = None
        self.end = 0  # of what is in rx

    # Sends one message: head begins with MsgType, data is the rest of it.
    def send(self, head, data=b""):
        size = len(head) + len(data) + 1
        at = 3  # where MsgType comes to stand, after the delimiter, a code byte and Length
        if size > 255:
            size += 2
            at = 5
        # The buffer is taken away while it is in use. Who interrupts this function and sends something
        # else (a Timer, a scheduled handler) finds none and makes another.
        buf = self.tx
        self.tx = None
        end = size + size // 254 + 9
        if not buf or len(buf) < end:
            buf = bytearray(end)
        view = memoryview(buf)
        pack_into(">BH", buf, 2, 1, size)
        if at == 3:
            buf[2] = size
        end = at + len(head)
        buf[at:end] = head
        at = end
        end += len(data)
        buf[at:end] = data
        pack_into("<I", buf, end, crc32(view[2:end]))
        end += 4
        # A code byte says how far it is to the next zero; the delimiter is the last.
        buf[end] = 0
        code = 1
        while code < end:
            zero = buf.find(b"\0", code + 1)
            while zero - code > 254 + (zero == end):
                # 254 bytes without a zero: ff, and the rest makes room for another code byte.
                buf[code] = 255
                code += 255
                view[code + 1 : end + 2] = view[code : end + 1]
                zero += 1
                end += 1
            buf[code] = zero - code
            code = zero
        buf[end] = 0
        self.write(view[: end + 1])
        self.tx = buf

    # Writes all of buf, though a stream may take it in pieces.
    def write(self, buf):
        while buf:
            n = self.stream.write(buf)
            if n:
                buf = buf[n:]
            else:
                sleep_ms(1)

    # Reads what there is, and never waits.
    def poll(self):
        any = self.stream.any()
        if not any:
            return
        # Taken away like tx. At worst an interruption costs a frame, which comes again.
        buf = self.rx
        self.rx = None
        end = self.end
        if not buf:
            buf = bytearray(128)
            end = 0
        if end == len(buf):
            # The longest frame has 4 bytes of CRC, a code byte, 1 per 254 bytes, and a delimiter.
            more = self.longest + self.longest // 254 + 7 - end
            if more > 0:
                buf.extend(bytes(min(more, end)))
            else:
                end = 1  # no frame: its first byte stays, so that the rest is not taken for one
        view = memoryview(buf)
        end += self.stream.readinto(view[end : end + any]) or 0
        start = 0
        while 1:
            zero = buf.find(b"\0", start, end)
            if zero < 0:
                break
            message = decode(buf, view, start, zero)
            start = zero + 1
            if message:
                self.receive(message)
        end -= start
        view[:end] = view[start : start + end]
        self.end = end
        self.rx = buf


# The message in the run buf[start:end], or None if that is no frame.
def decode(buf, view, start, end):
    at = start
    code = 0
    while at < end:
        next = buf[at]
        if code == 255:
            # No zero here: what was decoded moves up and covers the code byte.
            view[start + 1 : at + 1] = view[start:at]
            start += 1
        else:
            buf[at] = 0
        code = next
        at += code
    start += 1
    # The CRC of anything and its CRC is always the same.
    if at > end or end - start < 6 or crc32(view[start:end]) != 0x2144DF1C:
        return
    end -= 4
    at = start + 1
    size = buf[start]
    if size == 1:
        at += 2
        size = buf[start + 1] << 8 | buf[start + 2]
    if size == end - start and at < end:
        return view[at:end]
