# A stream that has no any(): the REPL's own console, for server=None, and whatever select can poll.

import sys
from select import POLLIN, poll


class Polled:
    def __init__(self, stream):
        self.console = stream is None
        source = sink = stream
        if stream is None:
            # 03 is a byte like others now, and no Ctrl-C.
            from micropython import kbd_intr

            kbd_intr(-1)
            source = sys.stdin.buffer
            sink = sys.stdout.buffer
        self.source = source
        self.write = sink.write
        self.poll = poll()
        self.poll.register(sys.stdin if self.console else stream, POLLIN)
        self.byte = bytearray(1)

    def any(self):
        for _ in self.poll.ipoll(0):
            return 64  # or less; poll does not say
        return 0

    # Byte by byte, because a read of more waits until all of it is there.
    def readinto(self, buf):
        n = 0
        for n in range(len(buf)):
            if not self.any() or not self.source.readinto(self.byte):
                return n
            buf[n] = self.byte[0]
        return n + 1

    # Gives the console back.
    def close(self):
        if self.console:
            from micropython import kbd_intr

            kbd_intr(3)
