# What a program of a board finds in module machine, as far as the tests need it. The lines of UARTs are ptys, which know no baud rate.
# The functions are bound once: each look at a module of JavaScript leaves an object behind, on the heap.
import io
from uctypes import addressof
from _host import any as _any, open as _open, read as _read, write as _write


class UART(io.IOBase):
    def __init__(self, id, baudrate=115200, bits=8, parity=None, stop=1, tx=None, rx=None, txbuf=256, rxbuf=256, timeout=0, timeout_char=2, **others):
        if not _open(id, rxbuf):
            raise ValueError("UART(%d) does not exist" % id)
        self.id = id
        self.init(baudrate, timeout=timeout, timeout_char=timeout_char)

    def init(self, baudrate=115200, *args, timeout=0, timeout_char=2, **others):
        self.timeout = timeout
        self.timeout_char = timeout_char

    def deinit(self):
        pass

    def any(self):
        return _any(self.id)

    def readinto(self, buf, n=-1):
        if n < 0 or n > len(buf):
            n = len(buf)
        return _read(self.id, addressof(buf), n, self.timeout, self.timeout_char) or None if n else 0

    def read(self, n=-1):
        if n >= 0:
            buf = bytearray(n)
            n = self.readinto(buf)
            return n and bytes(memoryview(buf)[:n])
        out = b""
        while True:
            more = self.read(64)
            if not more:
                return out or None
            out += more

    def readline(self):
        out = b""
        while not out.endswith(b"\n"):
            more = self.read(1)
            if not more:
                return out or None
            out += more
        return out

    def write(self, buf, n=-1):
        if isinstance(buf, str):
            buf = buf.encode()
        if n < 0 or n > len(buf):
            n = len(buf)
        if n:
            _write(self.id, addressof(buf), n)
        return n

    def flush(self):
        pass

    def txdone(self):
        return True

    def ioctl(self, request, arg):
        if request == 3:  # poll
            return arg & (5 if self.any() else 4)
        return 0


def unique_id():
    return b"\x24\x0a\xc4\x01\x02\x03"
