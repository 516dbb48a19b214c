# MQTT 3.1.1 over a socket, with the calls, the answers and the faults that umqtt.simple is documented to have, and nothing else of it: it is what umqtt_serial is compared
# with. Every read waits for as long as it takes.
import socket


class MQTTException(Exception):
    pass


def _text(s):
    if isinstance(s, str):
        s = s.encode()
    return bytes([len(s) >> 8, len(s) & 255]) + s


class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None, ssl_params={}):
        self._server = (server, port or (8883 if ssl else 1883))
        self.client_id = client_id
        self._login = (user, password)
        self._keepalive = keepalive
        self._will = None
        self._last_id = 0
        self._handler = None
        self.sock = None

    def set_callback(self, f):
        self._handler = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        assert topic and qos in (0, 1, 2)
        self._will = (topic, msg, retain, qos)

    def _packet(self, first, body):
        head = bytearray([first])
        left = len(body)
        while left > 127:
            head.append(left % 128 + 128)
            left //= 128
        head.append(left)
        self.sock.write(bytes(head) + body)

    def _number(self):
        self._last_id = self._last_id % 65535 + 1
        return self._last_id

    def connect(self, clean_session=True, timeout=None):
        assert self._keepalive < 65536
        flags = 2 if clean_session else 0
        body = _text(self.client_id)
        if self._will:
            topic, msg, retain, qos = self._will
            flags |= 4 + 8 * qos + 32 * retain
            body += _text(topic) + _text(msg)
        if self._login[0]:
            flags |= 128 + 64
            body += _text(self._login[0]) + _text(self._login[1])
        self.sock = socket.socket()
        self.sock.settimeout(timeout)
        self.sock.connect(socket.getaddrinfo(*self._server)[0][-1])
        self._packet(0x10, b"\0\4MQTT\4" + bytes([flags]) + self._keepalive.to_bytes(2, "big") + body)
        kind, body = self._receive()
        assert kind == 0x20 and len(body) == 2
        if body[1]:
            raise MQTTException(body[1])
        return body[0] & 1

    def disconnect(self):
        self._packet(0xE0, b"")
        self.sock.close()

    def ping(self):
        self._packet(0xC0, b"")

    def isconnected(self):
        try:
            self.ping()
            return True
        except OSError:
            return False

    def publish(self, topic, msg, retain=False, qos=0):
        assert qos < 2
        if isinstance(msg, str):
            msg = msg.encode()
        if qos == 0:
            self._packet(0x30 + retain, _text(topic) + msg)
            return
        number = self._number().to_bytes(2, "big")
        self._packet(0x32 + retain, _text(topic) + number + msg)
        while self._turn() != (0x40, number):
            pass

    def subscribe(self, topic, qos=0):
        assert self._handler is not None, "there is no callback"
        number = self._number().to_bytes(2, "big")
        self._packet(0x82, number + _text(topic) + bytes([qos]))
        while True:
            kind, body = self._turn()
            if kind == 0x90 and body[:2] == number:
                if body[2] > 2:
                    raise MQTTException(body[2])
                return

    def unsubscribe(self, topic):
        number = self._number().to_bytes(2, "big")
        self._packet(0xA2, number + _text(topic))
        while self._turn() != (0xB0, number):
            pass

    def _receive(self):
        first = self.sock.read(1)
        if first is None:
            return None, None
        self.sock.setblocking(True)
        if first == b"":
            raise OSError(-1)
        length = shift = 0
        more = 128
        while more & 128:
            more = self.sock.read(1)[0]
            length += (more & 127) << shift
            shift += 7
        return first[0], self.sock.read(length)

    # One packet, with what it asks for.
    def _turn(self):
        kind, body = self._receive()
        if kind is not None and kind & 0xF0 == 0x30:
            end = 2 + int.from_bytes(body[:2], "big")
            topic, rest = body[2:end], body[end:]
            if kind & 6:
                number, rest = rest[:2], rest[2:]
            self._handler(topic, rest)
            if kind & 6:
                self._packet(0x40, number)
        return kind, body

    def _next(self):
        kind, body = self._turn()
        return None if kind == 0xD0 else kind

    def wait_msg(self):
        return self._next()

    def check_msg(self):
        self.sock.setblocking(False)
        kind = self._next()
        self.sock.setblocking(True)
        return kind
