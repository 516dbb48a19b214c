# Sockets for boards without a network: the test is the modem at the other end of UART(1). It dials when it is told "dial", and from then on bytes are bytes.
import errno
import time
from machine import UART
import desk
import host

AF_INET = 2
SOCK_STREAM = 1


def getaddrinfo(name, port, *others):
    return [(AF_INET, SOCK_STREAM, 0, "", (name, port))]


class socket:
    def __init__(self, *others):
        self._uart = UART(1)
        self._timeout = None
        self._over = False

    def connect(self, address):
        host.say("dial")
        if desk.wait("dialed", "refused") != "dialed":
            raise OSError(errno.ECONNREFUSED)
        desk.forget("over")  # was of another connection

    def settimeout(self, seconds):
        self._timeout = seconds

    def setblocking(self, yes):
        self._timeout = None if yes else 0

    # The modem says "over" behind the last byte, when the other side has hung up.
    def _any(self):
        if not self._over and not self._uart.any() and desk.take("over"):
            self._over = True
        return self._uart.any() or self._over

    def read(self, n=-1):
        out = b""
        began = time.ticks_ms()
        while n < 0 or len(out) < n:
            if self._any():
                more = self._uart.read(min(n - len(out), 200) if n > 0 else 200)
                if not more:
                    break
                out += more
            elif self._timeout is None:
                time.sleep_ms(1)
            elif self._timeout == 0:
                return out or None
            elif time.ticks_diff(time.ticks_ms(), began) > self._timeout * 1000:
                raise OSError(errno.ETIMEDOUT)
            else:
                time.sleep_ms(1)
        return out

    def write(self, data, n=-1):
        if not self._uart.any():
            self._any()
        if self._over:
            raise OSError(errno.ECONNRESET)
        if isinstance(data, str):
            data = data.encode()
        return self._uart.write(data, n)

    def close(self):
        host.say("hangup")
        desk.wait("hungup")
        while self._uart.read():
            pass
        self._over = True
