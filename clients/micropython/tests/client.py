# The clients against a gateway that is a script: each frame they write is looked at, and answered.

import time
from binascii import crc32

from umqtt_serial import aio, default, robust, simple
from umqtt_serial.link import Link


# A stream whose other end is a function: it is given each message of the board, and answers with say().
class Gateway:
    def __init__(self, answer=None):
        self.answer = answer or self.accept
        self.input = b""
        self.got = []
        self.back = Link(self, 2048, None)
        self.to_board = False
        self.down = Link(Incoming(self), 2048, self.hear)
        self.up = b""

    # The board's side.
    def any(self):
        return len(self.input)

    def readinto(self, buf):
        n = min(len(buf), len(self.input))
        buf[:n] = self.input[:n]
        self.input = self.input[n:]
        return n

    def write(self, buf):
        if self.to_board:
            self.input += bytes(buf)
        else:
            self.up += bytes(buf)
            while self.up:
                self.down.poll()
        return len(buf)

    # The gateway's side.
    def hear(self, m):
        m = bytes(m)
        self.got.append(m)
        self.answer(m)

    def say(self, *m):
        self.to_board = True
        self.back.send(b"".join(m))
        self.to_board = False

    def accept(self, m):
        kind = m[0]
        if kind == 0x04:
            self.say(b"\x05\0")
        elif kind == 0x0A:
            self.say(b"\x0b\0\x09", m[3:5], b"\0")
        elif kind == 0x0C and m[1] & 0x60:
            self.say(b"\x0d", m[2:6], b"\0")
        elif kind == 0x12:
            self.say(b"\x13\x20\0\x0a", m[2:4], b"\0")
        elif kind == 0x14:
            self.say(b"\x15", m[2:4])
        elif kind == 0x16:
            self.say(b"\x17")
        elif kind == 0x18:
            self.say(b"\x18")

    def kinds(self):
        kinds = [m[0] for m in self.got]
        self.got = []
        return kinds


class Incoming:
    def __init__(self, gateway):
        self.gateway = gateway

    def any(self):
        return len(self.gateway.up)

    def readinto(self, buf):
        n = min(len(buf), len(self.gateway.up))
        buf[:n] = self.gateway.up[:n]
        self.gateway.up = self.gateway.up[n:]
        return n


def equal(got, want):
    assert got == want, "%r, not %r" % (got, want)


# What f raises.
def raised(f, *args):
    try:
        f(*args)
    except Exception as e:
        return e
    raise AssertionError("no exception")


def connected(module=simple, answer=None):
    g = Gateway(answer)
    c = module.MQTTClient("m5", g)
    c.got = []
    if module is not default:
        c.set_callback(lambda topic, msg: c.got.append((topic, msg)))
    c.connect()
    g.got = []
    return g, c


def test_connect():
    g, c = connected()
    equal(c.connect(), 0)
    equal(g.got[0][:5], b"\x04\x24\x01\0\0")  # clean, and tell whether the session is present
    g.answer = lambda m: g.say(b"\x05\0\1")
    equal(c.connect(False), 1)
    g.answer = lambda m: g.say(b"\x05\3")
    equal(raised(c.connect).value, 3)
    assert not c.isconnected()
    g.answer = lambda m: None
    begun = time.ticks_ms()
    assert isinstance(raised(c.connect, True, 1), OSError)
    assert 1000 <= time.ticks_diff(time.ticks_ms(), begun) < 5000


def test_tls_is_the_gateways():
    assert "YAML" in str(raised(lambda: simple.MQTTClient("m5", None, ssl=True)))
    c = simple.MQTTClient("m5", None, 8883, "user", "secret")
    equal(c.port, 8883)


def test_publish_is_sent_again_with_its_id():
    g, c = connected()
    lost = [0]

    def lose(m):
        if m[0] == 0x0C and lost[0] < 2:
            lost[0] += 1
        else:
            g.accept(m)

    g.answer = lose
    c._rto = 50
    c.publish("to/pic", "21.5", qos=1)
    sent = [m for m in g.got if m[0] == 0x0C]
    equal(len(sent), 3)
    equal([m[1] for m in sent], [0x20, 0xA0, 0xA0])
    equal(len({m[2:6] for m in sent}), 1)


def test_congestion_and_refusal():
    g, c = connected()
    codes = [1, 0]

    def busy(m):
        if m[0] == 0x0C:
            g.say(b"\x0d", m[2:6], bytes((codes.pop(0),)))
        else:
            g.accept(m)

    g.answer = busy
    c.publish("ab", "x", qos=1)
    equal([m[1] for m in g.got], [0x22, 0x22])  # what was refused does not exist: no DUP
    codes[:] = [3]
    equal(raised(lambda: c.publish("ab", "x", qos=1)).value, 3)
    codes[:] = [2, 0]  # the gateway has forgotten the id: asked for once more
    g.got = []
    c.publish("to/pic", "x", qos=1)
    equal(g.kinds(), [0x0A, 0x0C, 0x0A, 0x0C])


def test_subscriptions():
    g, c = connected()
    c.subscribe("all/#", 1)
    equal(list(c._filters), [b"all/#"])

    def refuse(m):
        g.say(b"\x13\0\0\0", m[2:4], b"\3")

    g.answer = refuse
    equal(raised(c.subscribe, "secret").value, 0x80)
    equal(list(c._filters), [b"all/#"])  # what was refused is no subscription
    g.answer = g.accept
    c.unsubscribe("all/#")
    equal(len(c._filters), 0)


def test_messages():
    g, c = connected()
    g.say(b"\x0a\0\x07\0\1to/me")
    g.say(b"\x0c\x20\0\x07\0\x05hello")
    g.say(b"\x0c\xa0\0\x07\0\x05hello")  # its PUBACK was lost
    equal(c.check_msg(), 0x32)
    c.check_msg()
    g.say(b"\x0c\xa0\0\x07\0\x05hello")
    c.check_msg()
    equal(c.got, [(b"to/me", b"hello")])
    equal(g.got, [b"\x0b\0\x07\0\1\0", b"\x0d\0\x07\0\x05\0", b"\x0d\0\x07\0\x05\0"])
    g.got = []
    g.say(b"\x0c\x20\0\x63\0\x06?")  # an id that nobody gave
    c.check_msg()
    equal(g.got, [b"\x0d\0\x63\0\x06\2"])
    equal(c.check_msg(), None)


# A callback may publish; what comes meanwhile waits for its turn.
def test_publish_in_a_callback():
    g, c = connected()
    c.depth = 0

    def again(topic, msg):
        c.depth += 1
        equal(c.depth, 1)
        c.publish("ab", msg + b"!", qos=1)
        c.depth -= 1
        c.got.append(msg)

    c.set_callback(again)
    g.say(b"\x0c\x22zz\0\x05one")
    g.say(b"\x0c\x22zz\0\x06two")
    c.check_msg()
    equal(c.got, [b"one", b"two"])
    equal([m[6:] for m in g.got if m[0] == 0x0C], [b"one!", b"two!"])


# A callback that raises: its message is acknowledged, for it was called, and the client goes on.
def test_a_callback_that_raises():
    g, c = connected()

    def bad(topic, msg):
        raise KeyError("mine")

    c.set_callback(bad)
    g.say(b"\x0c\x22zz\0\x05one")
    equal(raised(c.check_msg).args, ("mine",))
    equal(g.got, [b"\x0d" + b"zz\0\x05\0"])
    c.set_callback(lambda topic, msg: c.got.append(msg))
    g.say(b"\x0c\x22zz\0\x06two")
    c.check_msg()
    equal(c.got, [b"two"])


def test_refused_before_a_byte_is_sent():
    g, c = connected()
    for f in (
        lambda: c.publish("ab", bytes(2040)),
        lambda: c.publish("t" * 2040, b""),
        lambda: c.subscribe("t" * 2040),
        lambda: c.subscribe(""),
        lambda: c.publish("", b"x"),
    ):
        assert isinstance(raised(f), ValueError)
    assert isinstance(raised(lambda: c.publish("ab", b"", qos=2)), AssertionError)
    equal(g.got, [])
    c.publish("ab", bytes(2039))
    equal(len(g.got[0]), 6 + 2039)


def test_predefined_time_and_text():
    g = Gateway()
    c = simple.MQTTClient("m5", g, predefined={7: "sensors/attic"})
    c.connect()
    g.got = []
    c.publish("sensors/attic", "21")
    equal(g.got, [b"\x0c\1\0\7\0\x0021"])

    def clock(m):
        if m[0] == 0x0C:
            g.say(b"\x0c\0", m[2:4], b"\0\x001795483211042")
        else:
            g.accept(m)

    g.answer = clock
    equal(c.time(), 1795483211042)
    g.up = b""
    g.write = lambda buf: len(buf) if g.texts.append(bytes(buf)) is None else 0
    g.texts = []
    c.log("boot:", 1)
    equal(g.texts, [b"boot: 1\n"])


def test_the_gateway_says_disconnect():
    g, c = connected()
    g.say(b"\x18")
    assert isinstance(raised(c.check_msg), OSError)
    assert not c.isconnected()

    g, c = connected(robust)
    c.DELAY = 0
    c.subscribe("all/#")
    g.got = []
    g.say(b"\x18")
    c.check_msg()
    assert c.isconnected()
    equal(g.kinds(), [0x04, 0x12])  # and what it had subscribed to


def test_handlers_and_wildcards():
    for filter, topic, want in (
        ("a/b", "a/b", 1), ("a/b", "a/c", 0), ("a/+", "a/b", 1), ("a/+", "a/b/c", 0), ("a/+", "a", 0), ("a/#", "a", 1), ("a/#", "a/b/c", 1),
        ("#", "a/b", 1), ("+/b", "a/b", 1), ("#", "$SYS/x", 0), ("+/x", "$SYS/x", 0), ("$SYS/#", "$SYS/x", 1), ("a/+/c", "a//c", 1), ("+", "a/", 0),
    ):
        equal((filter, topic, int(default.match(filter.encode(), topic.encode()))), (filter, topic, want))
    g, c = connected(default)
    got = []
    c.subscribe("room/+/set", lambda m: got.append(m))
    g.say(b"\x0a\0\x07\0\1room/1/set")
    g.say(b"\x0c\x20\0\x07\0\x05on")
    for _ in range(50):
        c.check_msg()
        time.sleep_ms(1)
    equal(got, [(b"room/1/set", b"on")])


# What asyncio does with a coroutine, in one task: go on until it is done.
def run(coroutine):
    try:
        while True:
            coroutine.send(None)
            time.sleep_ms(1)
    except StopIteration as e:
        return e.value


class Sleep:  # stands for asyncio's core, which this test needs none of
    def __iter__(self):
        yield


def test_aio():
    g = Gateway()
    aio.asyncio = type("asyncio", (), {"sleep_ms": staticmethod(lambda ms: Sleep()), "sleep": staticmethod(lambda s: Sleep())})
    c = aio.MQTTClient("m5", g)
    got = []
    c.set_callback(lambda topic, msg: got.append(msg))
    equal(run(c.connect()), 0)
    run(c.subscribe("all/#"))
    run(c.publish("ab", "x", qos=1))
    g.say(b"\x0c\x22zz\0\x05one")
    equal(run(c.wait_msg()), 0x32)
    equal(got, [b"one"])
    g.answer = lambda m: None
    waiting = c.publish("ab", "y", qos=1)
    waiting.send(None)
    equal(len(c._answers), 1)
    waiting.close()  # cancelled
    equal(len(c._answers), 0)
    g.answer = g.accept
    g.got = []
    keeping = c.run()
    keeping.send(None)
    g.say(b"\x18")
    for _ in range(20):
        keeping.send(None)
    assert c.isconnected()
    equal(g.kinds()[:2], [0x04, 0x12])
    run(c.disconnect())


for name, test in sorted(globals().items()):
    if name.startswith("test_"):
        test()
        print(name)
