# umqtt.simple over a serial line to umqttd: the same class, and MQTT-SN inside.
#
# What has to wait is a generator, which yields when there is nothing to do: _ask and all that uses it.
# MQTTClient sleeps meanwhile; aio.MQTTClient lets other tasks run. Sections are those of docs/protocol.md.

from binascii import crc32
from errno import ENOTCONN, ETIMEDOUT
from micropython import const
from random import getrandbits
from struct import unpack_from
from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

from .link import Link

# MsgType, 5.6
_CONNECT = const(0x04)
_CONNACK = const(0x05)
_WILLTOPICREQ = const(0x06)
_WILLTOPIC = const(0x07)
_WILLMSGREQ = const(0x08)
_REGISTER = const(0x0A)
_REGACK = const(0x0B)
_PUBLISH = const(0x0C)
_PUBACK = const(0x0D)
_SUBACK = const(0x13)
_UNSUBACK = const(0x15)
_PINGREQ = const(0x16)
_PINGRESP = const(0x17)
_DISCONNECT = const(0x18)

# What a gateway sends: its length from MsgType on; 0 for what it has no business to send. CONNACK,
# REGISTER and PUBLISH may be longer.
_LENGTHS = const(b"\0\0\0\0\0\2\1\0\1\0\6\6\6\6\0\0\0\0\0\7\0\3\1\1\1\0")

# Flags, 5.3
_DUP = const(0x80)
_QOS1 = const(0x20)
_SESSION = const(0x20)  # in CONNECT: say whether the session is present (6.9)

# ReturnCode, 5.5
_CONGESTION = const(1)
_INVALID_ID = const(2)

# TopicIdType above TopicId makes one number of the two.
_PREDEFINED = const(0x10000)
_SHORT = const(0x20000)

_TIME = const(b"$umqttd/time")
_TOPICS = const(64)  # whose ids are remembered
_INBOX = const(8)  # messages that wait while a callback runs

# States
_DOWN = const(0)
_HANDSHAKE = const(1)
_UP = const(2)


class MQTTException(Exception):
    pass


class MQTTClient:
    TIMEOUT = 30  # s that a question may take before OSError(ETIMEDOUT); 0: as long as the gateway lives
    MAX_FRAME = 2048  # longest message, as max_frame in the gateway's configuration

    sock = None
    cb = None
    lw_topic = None
    lw_msg = None
    lw_qos = 0
    lw_retain = False
    _state = _DOWN
    _busy = False  # delivering
    _result = None  # of what was asked last

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
            raise ValueError("TLS is configured in the gateway's YAML")
        self.client_id = client_id
        self.server = server
        self.port = port or 1883
        # MsgIds begin anywhere: 1 after a reboot could be taken for the 1 of before (6.12).
        self.pid = getrandbits(16)
        self.user = user
        self.pswd = password
        self.keepalive = keepalive
        self.predefined = predefined
        self._answers = {}  # question -> what it carries, and then the answer
        self._filters = {}  # topic filter -> QoS and, if filters have each its own, handler

    def set_callback(self, f):
        self.cb = f

    def set_last_will(self, topic, msg, retain=False, qos=0):
        assert 0 <= qos <= 2
        assert topic
        self.lw_topic = self._bytes(topic)
        self.lw_msg = self._bytes(msg)
        self.lw_qos = qos
        self.lw_retain = retain

    # Returns 1 if the session was there before, else 0.
    def connect(self, clean_session=True, timeout=None):
        MQTTClient._run(self, self._hello, clean_session, timeout)
        return self._result

    def disconnect(self):
        self._run(self._quit)

    def ping(self):
        self._poll()
        self._link.send(b"\x16")

    def isconnected(self):
        return self._state == _UP

    def publish(self, topic, msg, retain=False, qos=0):
        self._run(self._pub, self._head(retain, qos), topic, msg)

    def subscribe(self, topic, qos=0):
        self._run(self._sub, topic, qos)

    def unsubscribe(self, topic):
        self._run(self._unsub, topic)

    # Waits for a message and has it delivered.
    def wait_msg(self):
        while not self.check_msg():
            sleep_ms(1)
        return self._op

    # Does what there is to do, and returns at once: the first byte of MQTT's PUBLISH if there was one.
    def check_msg(self):
        self._op = None
        self._poll()
        return self._op

    # Unix time of the gateway, in ms.
    def time(self):
        self.publish(_TIME, b"")
        return self._result

    # Writes a line of text between two frames, as print() would: the gateway logs it.
    def log(self, *words):
        self._link.write((" ".join([str(w) for w in words]) + "\n").encode())

    def _run(self, step, *args):
        for _ in step(*args):
            sleep_ms(1)

    def _hello(self, clean_session, timeout):
        assert self.keepalive < 65536
        self.sock = self.server
        if not hasattr(self.sock, "any"):
            from .polled import Polled

            self.sock = Polled(self.sock)
        self._link = Link(self.sock, self.MAX_FRAME, self._receive)
        self._state = _HANDSHAKE
        self._rto = 1000
        self._inbox = []  # messages to deliver; another list in another session
        self._poll()  # what waits on the line is of another session
        flags = _SESSION | bool(clean_session) << 2 | bool(self.lw_topic) << 3
        head = bytearray((_CONNECT, flags, 1, self.keepalive >> 8, self.keepalive & 255))
        return self._ask(_CONNACK, head, self._bytes(self.client_id), timeout or self.TIMEOUT or 30)

    def _quit(self):
        try:
            self._poll()
            self._state = _HANDSHAKE
            yield from self._ask(_DISCONNECT, b"\x18", b"", 2)
        except OSError:
            pass  # the gateway finds out by itself
        if self.sock is not self.server:
            self.sock.close()

    # PUBLISH without TopicId. Whoever sends it again uses the same, so that it has the same MsgId, and DUP.
    def _head(self, retain, qos):
        assert 0 <= qos < 2
        id = self._id() if qos else 0
        return bytearray((_PUBLISH, qos << 5 | bool(retain) << 4, 0, 0, id >> 8, id & 255))

    def _pub(self, head, topic, msg):
        topic = self._bytes(topic)
        msg = self._bytes(msg)
        for _ in range(5):
            self._poll()
            id = self._topics.get(topic)
            if id is None:
                yield from self._enroll(topic)
                id = self._result
            head[1] = head[1] & 0xFC | id >> 16
            head[2] = id >> 8 & 255
            head[3] = id & 255
            key = _PUBACK | head[4] << 16 | head[5] << 8
            if not head[1] & _QOS1:
                if topic != _TIME:
                    return self._link.send(head, msg)
                key = _PUBLISH
            yield from self._ask(key, head, msg)
            if self._result != _INVALID_ID:
                return
            self._topics.pop(topic, None)  # the gateway does not know it any more: once again
        raise MQTTException(_INVALID_ID)

    # Finds out the TopicId to publish with.
    def _enroll(self, topic):
        if len(topic) == 2:
            self._result = _SHORT | topic[0] << 8 | topic[1]
        else:
            yield from self._ask_for(_REGACK, b"\x0a\0\0", topic)

    def _sub(self, topic, qos, handler=None):
        assert self.cb, "Subscribe callback is not set"
        topic = self._bytes(topic)
        self._filters[topic] = qos, handler
        try:
            yield from self._ask_for(_SUBACK, b"\x12\x20" if qos else b"\x12\0", topic)
        except (MQTTException, ValueError):
            self._filters.pop(topic, None)
            raise

    def _unsub(self, topic):
        self._filters.pop(self._bytes(topic), None)
        return self._ask_for(_UNSUBACK, b"\x14\0", topic)

    def _ask_for(self, kind, head, topic):
        topic = self._bytes(topic)
        if not topic:
            raise ValueError("topic")
        id = self._id()
        return self._ask(kind | id << 8, bytearray(head + id.to_bytes(2, "big")), topic)

    # Sends a question until it is answered (6.11), and sets _result to what the answer says. An answer is
    # known by its MsgType and, above it, MsgId.
    def _ask(self, key, head, data=b"", timeout=0):
        kind = key & 255
        answers = self._answers
        inbox = self._inbox
        timeout = timeout or self.TIMEOUT
        tries = 0
        begun = ticks_ms()
        answers[key] = data
        try:
            while 1:
                sent = ticks_ms()
                self._link.send(head, data)
                tries += 1
                if kind in b"\x0d\x13":  # PUBACK, SUBACK
                    head[1] |= _DUP
                elif kind == _CONNACK and tries in b"\2\3":
                    head[1] ^= _SESSION  # the third without: not every gateway knows it (6.9)
                wait = self._rto + len(data)  # 1 ms a byte is what the line takes at 9600 baud
                grow = 2
                while 1:
                    self._poll()
                    if inbox is not self._inbox:
                        raise OSError(ENOTCONN)
                    passed = ticks_diff(ticks_ms(), sent)
                    answer = answers[key]
                    if answer is not data:
                        answers[key] = data
                        grow = 1
                        if answer is None:
                            wait = passed + 100
                        else:
                            code = answer & 255
                            if code and tries == 1:
                                head[1] &= 127  # what is refused does not exist: no DUP (6.14)
                                tries = 0
                            if code == _CONGESTION:
                                wait = passed + 1000
                            elif code and kind != _PUBACK or code > _INVALID_ID:
                                raise MQTTException(0x80 if kind == _SUBACK else code)
                            else:
                                if tries == 1 and key > 255:
                                    # Four round trips, or nearly so after a few (6.11)
                                    self._rto = max(25, self._rto + 4 * passed >> 1)
                                self._result = code if kind == _PUBACK else answer >> 8
                                return
                    if timeout and ticks_diff(ticks_ms(), begun) > timeout * 1000:
                        raise OSError(ETIMEDOUT)
                    if passed >= wait:
                        break
                    yield
                self._rto = min(self._rto * grow, 15000)
        finally:
            answers.pop(key, None)
            if key < 256 and self._state == _HANDSHAKE:
                self._state = _DOWN

    # The next MsgId.
    def _id(self):
        self.pid = self.pid % 65535 + 1
        return self.pid

    # What is too long is refused before a byte is sent; 9 bytes are for what a message has besides.
    def _bytes(self, s):
        if isinstance(s, str):
            s = s.encode()
        if len(s) > self.MAX_FRAME - 9:
            raise ValueError("too long")
        return s

    # A topic and its id, whoever of the two ends named it.
    def _learn(self, id, topic):
        if len(self._topics) >= 2 * _TOPICS:
            self._forget()
        self._topics[id] = topic
        self._topics[topic] = id

    def _forget(self):
        self._topics = {}
        for id, topic in self.predefined.items():
            self._learn(id | _PREDEFINED, self._bytes(topic))

    # Does all that can be done without waiting.
    def _poll(self):
        if self._state:
            self._link.poll()
            self._deliver()
            if self._state == _UP and ticks_diff(ticks_ms(), self._due) >= 0:
                self._rest(self._pings + 1)
                if self._pings > 3:
                    self._lost()
                self._link.send(b"\x16")
        if not self._state:
            raise OSError(ENOTCONN)

    # The next PINGREQ is due after a third of the keepalive without any answer.
    def _rest(self, count):
        self._pings = count
        self._due = ticks_add(ticks_ms(), (self.keepalive or 45) * 333)

    # The session is gone. What is not acknowledged comes again in the next.
    def _lost(self):
        self._state = _DOWN
        self._inbox = []

    # Handles a message. What is malformed or out of place is ignored (section 9).
    def _receive(self, m):
        kind = m[0]
        size = len(m)
        want = _LENGTHS[min(kind, 25)]
        if not want or size < want or size > want and kind not in b"\x05\x0a\x0c":
            return
        answers = self._answers
        send = self._link.send
        if kind == _DISCONNECT:
            if kind in answers:
                answers[kind] = 0
            elif self._state == _UP:
                self._lost()
            elif _CONNACK in answers:
                answers[_CONNACK] = None  # the gateway has just come: ask again soon
        elif kind == _WILLTOPICREQ:
            send(bytes((_WILLTOPIC, bool(self.lw_qos) << 5 | bool(self.lw_retain) << 4)), self.lw_topic)
        elif kind == _WILLMSGREQ:
            send(b"\x09", self.lw_msg)
        elif kind == _CONNACK:
            if kind in answers and size < 4 and (size < 3 or m[2] < 2):
                answers[kind] = m[1] | (m[2] << 8 if size == 3 else 0)
                if not m[1]:
                    # Nothing of an earlier session counts. Ids are asked for again, because a gateway
                    # without a memory may have given them to other topics.
                    self._state = _UP
                    self._seen = None  # CRC of the last QoS 1 message that came
                    self._forget()
                    self._rest(0)
        elif self._state != _UP:
            pass  # of another session
        elif kind == _PUBLISH:
            self._message(m)
        elif kind == _PINGREQ:
            send(b"\x17")
        elif kind == _REGISTER:
            self._learn(m[1] << 8 | m[2], bytes(m[5:]))
            send(b"\x0b" + m[1:5] + b"\0")
        elif kind != _SUBACK or not m[1] & 0x9F:
            self._rest(0)
            if size > 2:
                # TopicId, MsgId, ReturnCode; or MsgId alone
                id, msg_id, code = unpack_from(">HHB", m, size - 5) if size > 3 else (0, m[1] << 8 | m[2], 0)
                key = kind | msg_id << 8
                if key in answers:
                    if id and kind != _PUBACK:
                        self._learn(id, answers[key])
                    answers[key] = code | id << 8
                elif code == _INVALID_ID:
                    self._forget()  # of QoS 0; which one is not worth knowing

    def _message(self, m):
        flags, id, msg_id = unpack_from(">BHH", m, 1)
        kind = flags & 3
        if flags & 0x4C or kind == 3:
            return
        topic = bytes(m[2:4]) if kind == 2 else self._topics.get(id | kind << 16)
        data = bytes(m[6:])
        if topic == _TIME and _PUBLISH in self._answers:
            self._answers[_PUBLISH] = int(data) << 8
            return
        qos1 = flags & _QOS1
        crc = crc32(m[2:])
        code = _CONGESTION
        if not topic:
            code = _INVALID_ID
        elif qos1 and crc == self._seen and flags & _DUP:
            # It came before. It is acknowledged again, unless it still waits to be delivered.
            if not self._acked:
                return
            code = 0
        elif len(self._inbox) < _INBOX:
            self._op = 0x30 | (flags & 0x30) >> 4
            ack = None
            if qos1:
                self._seen = crc
                self._acked = False
                ack = b"\x0d" + m[2:6] + b"\0"
            self._inbox.append((topic, data, ack))
            return
        if qos1 or code == _INVALID_ID:
            self._link.send(b"\x0d" + m[2:6] + bytes((code,)))

    # Delivers what has come, and acknowledges it: PUBACK says that the callback was called. While one
    # runs, what comes waits, so that a callback that publishes is not called inside itself.
    def _deliver(self):
        while self._inbox and self.cb and not self._busy:
            inbox = self._inbox
            topic, msg, ack = inbox[0]
            self._busy = True
            try:
                self.cb(topic, msg)
            finally:
                self._busy = False
                if inbox is self._inbox:
                    inbox.pop(0)
                    if ack:
                        self._acked = True
                        self._link.send(ack)
