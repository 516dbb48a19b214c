# umqtt.simple over a serial line to umqttd: the same class, and MQTT-SN inside.
#
# What waits is a generator, which yields when there is nothing to do but wait: _ask, and all that uses
# it. MQTTClient runs them and sleeps meanwhile; aio.MQTTClient awaits them. Section numbers are those
# of docs/protocol.md.

from binascii import crc32
from errno import ECONNRESET, ENOTCONN, ETIMEDOUT
from micropython import const
from random import getrandbits
from struct import pack, pack_into, unpack_from
from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

from .link import Reader, Writer

# MsgType, 5.6
_CONNECT = const(0x04)
_CONNACK = const(0x05)
_WILLTOPICREQ = const(0x06)
_WILLMSGREQ = const(0x08)
_REGISTER = const(0x0A)
_REGACK = const(0x0B)
_PUBLISH = const(0x0C)
_PUBACK = const(0x0D)
_SUBSCRIBE = const(0x12)
_SUBACK = const(0x13)
_UNSUBSCRIBE = const(0x14)
_UNSUBACK = const(0x15)
_PINGREQ = const(0x16)
_PINGRESP = const(0x17)
_DISCONNECT = const(0x18)

# Length of what a gateway sends, from MsgType on; 0 for messages that it has no business to send.
# REGISTER and PUBLISH have as many bytes more as they like, and CONNACK may have one (6.9).
_LENGTHS = b"\0\0\0\0\0\2\1\0\1\0\6\6\6\6\0\0\0\0\0\7\0\3\1\1\1"

# Flags, 5.3
_DUP = const(0x80)
_QOS1 = const(0x20)
_RETAIN = const(0x10)
_WILL = const(0x08)
_CLEAN = const(0x04)
_SESSION = const(0x20)  # in CONNECT: is the session present? (6.9)

# ReturnCode, 5.5
_CONGESTION = const(1)
_INVALID_ID = const(2)

# TopicIdType above TopicId makes one number of the two
_PREDEFINED = const(0x10000)
_SHORT = const(0x20000)

_TIME = b"$umqttd/time"
_NAMES = const(64)  # topic ids remembered, each way
_INBOX = const(8)  # messages that wait while a callback runs


class MQTTException(Exception):
    pass


def _bytes(s):
    return s.encode() if isinstance(s, str) else s


class MQTTClient:
    TIMEOUT = 30  # s that a question may take before OSError(ETIMEDOUT); 0: as long as the gateway lives
    MAX_FRAME = 2048  # longest message, as max_frame in the gateway's configuration

    def __init__(
        self,
        client_id,
        server=None,
        port=0,
        user=None,
        password=None,
        keepalive=0,
        ssl=None,
        ssl_params={},
        predefined={},
    ):
        if ssl:
            raise ValueError("no TLS on a cable: configure it in umqttd's YAML (broker: tls:)")
        self.client_id = client_id
        self.sock = None
        self.server = server
        self.port = port or 1883
        self.ssl = ssl
        self.ssl_params = ssl_params
        # MsgIds begin anywhere: 1 after every reboot could be taken for the 1 of before (6.12).
        self.pid = getrandbits(16)
        self.cb = None
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.lw_topic = None
        self.lw_msg = None
        self.lw_qos = 0
        self.lw_retain = False
        self.predefined = predefined
        self._state = 0  # MsgType of the last one of CONNECT, CONNACK, DISCONNECT
        self._answers = {}  # question -> None, then answer
        self._inbox = []  # messages to deliver; another list in another session
        self._delivering = False
        self._got = None  # what wait_msg() returns
        self._rtt = 0  # 8 times the smoothed round trip
        self._var = 0  # 4 times its variation
        self._rto = 1000

    def set_callback(self, f):
        self.cb = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        assert 0 <= qos <= 2
        assert topic
        self._fits(topic, msg)
        self.lw_topic = topic
        self.lw_msg = msg
        self.lw_qos = qos
        self.lw_retain = retain

    def connect(self, clean_session=True, timeout=None):
        return self._run(self._connect(clean_session, timeout))

    def disconnect(self):
        self._run(self._disconnect())

    def ping(self):
        self._send(b"\x16")

    def isconnected(self):
        return self._state == _CONNACK

    def publish(self, topic, msg, retain=False, qos=0):
        self._run(self._publish(self._publish_head(retain, qos), topic, msg))

    def subscribe(self, topic, qos=0):
        self._run(self._subscribe(topic, qos))

    def unsubscribe(self, topic):
        self._run(self._unsubscribe(topic))

    # Waits for a message and has it delivered.
    def wait_msg(self):
        while 1:
            got = self.check_msg()
            if got:
                return got
            sleep_ms(1)

    # Does what there is to do, and returns at once: None, or what MQTT's PUBLISH begins with.
    def check_msg(self):
        self._got = None
        self._poll()
        return self._got

    # Unix time of the gateway, in ms.
    def time(self):
        return self._run(self._time())

    # Writes a line of text between two frames. It is found in the gateway's log.
    def log(self, *words):
        self._open()
        line = " ".join([str(w) for w in words]).replace("\0", "") + "\n"
        self._tx.write(line.encode())

    def _run(self, steps):
        try:
            while 1:
                next(steps)
                sleep_ms(1)
        except StopIteration as e:
            return e.value

    def _open(self):
        if self.sock is None:
            self.sock = self.server
            if not hasattr(self.sock, "any"):
                from .polled import Polled

                self.sock = Polled(self.server)
            self._tx = Writer(self.sock, self.MAX_FRAME)
            self._rx = Reader(self.sock, self.MAX_FRAME)

    def _connect(self, clean, timeout):
        assert self.keepalive < 65536
        client_id = _bytes(self.client_id)
        self._fits(client_id, b"")
        self._open()
        # What waits on the line is of another session.
        self._state = _CONNECT
        self._rto = 1000
        self._new_session()
        self._poll()
        flags = _SESSION | (_CLEAN if clean else 0) | (_WILL if self.lw_topic else 0)
        head = bytearray(pack(">BBBH", _CONNECT, flags, 1, self.keepalive))
        try:
            answer = yield from self._ask(_CONNACK, 0, head, client_id, timeout or self.TIMEOUT or 30)
        finally:
            if self._state == _CONNECT:
                self._state = 0
        if answer & 255:
            raise MQTTException(answer & 255)
        return answer >> 8

    def _disconnect(self):
        if self._state == _CONNACK:
            self._state = _DISCONNECT
            try:
                yield from self._ask(_DISCONNECT, 0, bytearray(b"\x18"), b"", 2)
            except OSError:
                pass  # the gateway will find out
        self._state = 0
        if self.sock is not self.server and self.sock:
            self.sock.close()
        self.sock = None

    def _publish_head(self, retain, qos):
        assert 0 <= qos < 2
        head = bytearray(6)
        pack_into(">BBHH", head, 0, _PUBLISH, (_RETAIN if retain else 0) | qos << 5, 0, self._new_id() if qos else 0)
        return head

    def _publish(self, head, topic, msg):
        msg = _bytes(msg)
        self._fits(b"", msg)
        for _ in range(5):
            self._poll()
            topic_id = self._ids.get(topic)
            if topic_id is None:
                topic_id = yield from self._register(topic)
            head[1] = head[1] & 0xFC | topic_id >> 16
            head[2] = topic_id >> 8 & 255
            head[3] = topic_id & 255
            if not head[1] & _QOS1:
                return self._send(head, msg)
            answer = yield from self._ask(_PUBACK, head[4] << 8 | head[5], head, msg)
            code = answer & 255
            if not code:
                return
            if code != _INVALID_ID:
                break
            self._ids.pop(topic, None)  # the gateway has forgotten it: once more
        raise MQTTException(code)

    # The id to publish a topic with.
    def _register(self, topic):
        name = _bytes(topic)
        if len(name) == 2:
            return _SHORT | name[0] << 8 | name[1]
        id = self._new_id()
        answer = yield from self._ask(_REGACK, id, bytearray(pack(">BHH", _REGISTER, 0, id)), name)
        if answer & 255:
            raise MQTTException(answer & 255)
        self._remember(self._ids, topic, answer >> 8)
        return answer >> 8

    def _subscribe(self, topic, qos):
        assert self.cb is not None, "Subscribe callback is not set"
        assert 0 <= qos <= 2
        id = self._new_id()
        head = bytearray(pack(">BBH", _SUBSCRIBE, qos << 5, id))
        answer = yield from self._ask(_SUBACK, id, head, _bytes(topic))
        if answer & 255:
            raise MQTTException(0x80)  # what MQTT's SUBACK says

    def _unsubscribe(self, topic):
        id = self._new_id()
        yield from self._ask(_UNSUBACK, id, bytearray(pack(">BBH", _UNSUBSCRIBE, 0, id)), _bytes(topic))

    def _time(self):
        id = self._ids.get(_TIME)
        if id is None:
            id = yield from self._register(_TIME)
        answer = yield from self._ask(_PUBLISH, id, bytearray(pack(">BBHH", _PUBLISH, 0, id, 0)))
        return answer >> 8

    # Sends a question until it is answered (6.11) and returns ReturnCode | value << 8.
    # Answers are told apart by their MsgType and their MsgId.
    def _ask(self, kind, id, head, data=b"", timeout=None):
        key = kind | id << 8
        answers = self._answers
        inbox = self._inbox
        if timeout is None:
            timeout = self.TIMEOUT
        # The copies that are on their way. As long as there may be one, the next says DUP; a copy that is
        # refused does not exist (6.14).
        dup = _DUP if kind == _SUBACK or kind == _PUBACK else 0
        copies = head[1] >> 7 if dup else 0
        tries = 0
        begun = ticks_ms()
        answers[key] = data
        try:
            while 1:
                sent = ticks_ms()
                self._tx.send(head, data)
                tries += 1
                copies += 1
                if dup:
                    head[1] |= dup
                if kind == _CONNACK:
                    # A gateway that does not know the extension may not answer (6.9).
                    head[1] = head[1] & ~_SESSION | (0 if tries % 3 == 2 else _SESSION)
                wait = self._rto + len(data)  # 1 ms a byte is the line's part at 9600 baud
                grow = 2
                while 1:
                    self._poll()
                    if self._inbox is not inbox:
                        raise OSError(ECONNRESET)
                    now = ticks_ms()
                    answer = answers[key]
                    if type(answer) is int:
                        copies -= 1
                        if dup and copies <= 0:
                            head[1] &= ~dup
                        if answer & 255 != _CONGESTION:
                            if tries == 1 and kind != _CONNACK:
                                self._measure(ticks_diff(now, sent))
                            return answer
                        wait = ticks_diff(now, sent) + 1000  # 6.14
                    if answer is not data:
                        answers[key] = data
                        grow = 1
                    if timeout and ticks_diff(now, begun) >= timeout * 1000:
                        raise OSError(ETIMEDOUT)
                    if ticks_diff(now, sent) >= wait:
                        break
                    yield
                self._rto = min(self._rto * grow, 15000)
        finally:
            answers.pop(key, None)

    # RFC 6298, as 6.11 wants it.
    def _measure(self, rtt):
        if not self._rtt:
            self._rtt = rtt << 3
            self._var = rtt << 1
        else:
            rtt -= self._rtt >> 3
            self._rtt += rtt
            self._var += abs(rtt) - (self._var >> 2)
        self._rto = max(25, (self._rtt >> 3) + self._var)

    def _send(self, head, data=b""):
        if self._state != _CONNACK:
            raise OSError(ENOTCONN)
        self._tx.send(head, data)

    def _new_id(self):
        self.pid = self.pid % 65535 + 1
        return self.pid

    # Refuses what is too long before a byte is sent. 9 is what PUBLISH needs besides.
    def _fits(self, topic, msg):
        if len(topic) > self.MAX_FRAME - 9 or len(msg) > self.MAX_FRAME - 9:
            raise ValueError("topic or message too long")

    # Another session: nothing of the last one counts. Ids are asked for again, because a gateway that
    # has lost its memory may have given them to other topics.
    def _new_session(self):
        self._inbox = []
        self._seen = None  # CRC of the last QoS 1 message that came
        self._ack = None  # its PUBACK
        self._ids = {}  # topic -> id, to publish
        self._names = {}  # id -> topic, of what comes
        for id, topic in self.predefined.items():
            topic = _bytes(topic)
            id |= _PREDEFINED
            self._ids[topic] = id
            self._ids[topic.decode()] = id
            self._names[id] = topic
        self._alive()

    # The gateway has answered: both ways work.
    def _alive(self):
        self._pings = 0
        self._due = ticks_add(ticks_ms(), self._idle())

    # Two thirds of the keepalive, in ms.
    def _idle(self):
        return (self.keepalive or 90) * 667

    def _remember(self, names, key, value):
        if len(names) >= _NAMES and key not in names:
            names.popitem()
        names[key] = value

    # Does everything that can be done without waiting.
    def _poll(self):
        # The reader is taken away while it is in use: whoever interrupts this and polls too finds none and
        # makes another. At worst a frame is lost, and sent again.
        if self._state == 0:
            raise OSError(ENOTCONN)
        rx = self._rx
        self._rx = None
        if rx is None:
            rx = Reader(self.sock, self.MAX_FRAME)
        rx.fill()
        while 1:
            message = rx.next()
            if message is None:
                break
            self._receive(message)
        self._rx = rx
        self._deliver()
        if self._state == 0:
            raise OSError(ECONNRESET)
        if self._state == _CONNACK and ticks_diff(ticks_ms(), self._due) >= 0:
            if self._pings == 3:
                self._lost()
                raise OSError(ETIMEDOUT)
            self._pings += 1
            self._due = ticks_add(ticks_ms(), min(5000, self._idle()))
            self._send(b"\x16")

    # The session is gone. What the board has not acknowledged comes again in the next.
    def _lost(self):
        self._state = 0
        self._inbox = []

    # One message of the gateway. What is malformed or out of place is ignored (section 9).
    def _receive(self, m):
        kind = m[0]
        size = len(m)
        want = _LENGTHS[kind] if kind < len(_LENGTHS) else 0
        if size != want and not (
            want and size > want and (kind == _PUBLISH or kind == _REGISTER or kind == _CONNACK and size == 3 and m[2] < 2)
        ):
            return
        if kind == _DISCONNECT:
            if self._state == _DISCONNECT:
                self._answers[kind] = 0
            elif self._state == _CONNACK:
                self._lost()
            elif _CONNACK in self._answers:
                # The gateway has just come, and may not have heard CONNECT.
                self._answers[_CONNACK] = None
        elif kind == _WILLTOPICREQ:
            self._tx.send(bytes((7, self.lw_qos << 5 | (_RETAIN if self.lw_retain else 0))), _bytes(self.lw_topic))
        elif kind == _WILLMSGREQ:
            self._tx.send(b"\x09", _bytes(self.lw_msg))
        elif kind == _CONNACK:
            if self._state == _CONNECT and kind in self._answers:
                self._answers[kind] = m[1] | (m[2] << 8 if size == 3 else 0)
                if not m[1]:
                    self._state = kind
                    self._alive()
        elif self._state != _CONNACK:
            return  # of another session
        elif kind == _PUBLISH:
            self._receive_publish(m)
        elif kind == _PINGREQ:
            self._send(b"\x17")
        elif kind == _REGISTER:
            self._remember(self._names, m[1] << 8 | m[2], bytes(m[5:]))
            self._send(b"\x0b" + bytes(m[1:5]) + b"\0")
        else:
            # An answer: TopicId, MsgId and ReturnCode, or some of them, and Flags before.
            self._alive()
            if kind == _PINGRESP:
                return
            if kind == _UNSUBACK:
                topic_id = code = 0
                id = m[1] << 8 | m[2]
            else:
                topic_id, id, code = unpack_from(">HHB", m, size - 5)
            key = kind | id << 8
            if key in self._answers:
                # A topic that the board asked an id for may come under that id.
                if topic_id and kind != _PUBACK:
                    self._remember(self._names, topic_id, self._answers[key])
                self._answers[key] = code | topic_id << 8
            elif kind == _PUBACK and code == _INVALID_ID and not id:
                # Which one of QoS 0 it was is not worth remembering.
                self._ids = {}

    def _receive_publish(self, m):
        flags, topic_id, id = unpack_from(">BHH", m, 1)
        form = flags & 3
        if flags & 0x4C or form == 3:
            return
        if not form and _PUBLISH | topic_id << 8 in self._answers:
            self._answers[_PUBLISH | topic_id << 8] = int(bytes(m[6:])) << 8
            return
        topic = bytes(m[2:4]) if form == 2 else self._names.get(topic_id | form << 16)
        ack = bytearray(b"\x0d") + m[2:6] + b"\0"
        qos1 = flags & _QOS1
        full = len(self._inbox) >= _INBOX
        if qos1:
            crc = crc32(m[2:])
            if crc == self._seen and flags & _DUP:
                # It came before, and is acknowledged again; but not if it waits to be delivered.
                if self._ack:
                    self._send(self._ack)
                return
        if not topic or full and qos1:
            ack[5] = _CONGESTION if topic else _INVALID_ID
            return self._send(ack)
        if full:
            return
        self._got = 0x30 | qos1 >> 4 | (1 if flags & _RETAIN else 0)
        self._inbox.append((topic, bytes(m[6:]), ack if qos1 else None))
        if qos1:
            self._seen = crc
            self._ack = None

    # Has messages delivered; PUBACK says that the callback was called. While a callback runs, what comes
    # waits for its end, so that a callback that publishes is not called inside itself.
    def _deliver(self):
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._inbox and self.cb:
                inbox = self._inbox
                topic, msg, ack = inbox[0]
                try:
                    self.cb(topic, msg)
                finally:
                    if inbox is self._inbox:
                        inbox.pop(0)
                        if ack:
                            self._ack = ack
                            self._send(ack)
        finally:
            self._delivering = False
