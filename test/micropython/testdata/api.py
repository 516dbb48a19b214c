# What programs may expect of umqtt, as its documentation and its users have it. argv[0] says of whom: "serial" is umqtt_serial on a cable to umqttd, anything else a umqtt
# over a socket to the broker. The test publishes and receives at the broker's side, and answers questions.
#
# check() is what both must do. differ() is where umqtt_serial does something else on purpose, and says why.
import time
import desk
import host

serial = argv[0] == "serial"
if serial:
    import umqtt_serial as default
    from umqtt_serial import robust, simple
    from machine import UART

    server = UART(1, baudrate=115200)
else:
    import umqtt as default
    from umqtt import robust, simple

    server = "broker"


def say(word, name, good, text):
    host.say("%s %s%s" % (word if good else "bad", name, "" if good else ": " + text))


def check(name, got, want):
    say("good", name, got == want and type(got) is type(want), "%r, want %r" % (got, want))


def differ(name, reason, got, theirs, ours):
    want = ours if serial else theirs
    say("differs" if serial else "good", name + " (" + reason + ")", got == want, "%r, want %r" % (got, want))


# The exception that f raises: its class, of those that programs look for, and its first argument.
def raised(f, *args, **kw):
    try:
        return f(*args, **kw)
    except (OSError, simple.MQTTException, AssertionError, ValueError, TypeError) as e:
        for c in (OSError, simple.MQTTException, AssertionError, ValueError, TypeError):
            if isinstance(e, c):
                return c


def ask(*words):
    host.say("ask " + " ".join(words))
    return desk.wait("answer")[7:]


def hexed(b):
    return "".join("%02x" % c for c in b)


# What the broker's side has received on the topic: QoS, and payload in hexadecimal.
def seen(topic):
    return ask("seen", topic)


def send(topic, payload, qos=0, retain=False):
    ask("publish", topic, str(qos), str(int(retain)), hexed(payload) or "-")


# Check_msg until something is there, as programs do it in their loops; None if nothing is for so long.
def poll(c, ms=5000, until=lambda: False):
    began = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), began) < ms:
        got = c.check_msg()
        if got is not None or until():
            return got
        time.sleep_ms(2)


calls = []


def callback(topic, msg):
    calls.append((topic, msg))


def called():
    got = calls[:]
    calls.clear()
    return got


def constructor():
    simple.MQTTClient("api", server)
    simple.MQTTClient("api", server, 1883, "user", "password", 30, None, {})
    c = simple.MQTTClient(client_id="api", server=server, port=0, user=None, password=None, keepalive=0, ssl=None, ssl_params={})
    check("attribute client_id", c.client_id, "api")
    robust.MQTTClient("api", server, 1883, "user", "password", 30, None, {})
    default.MQTTClient("api", server, 1883, "user", "password", 30, None, {})
    check("MQTTException is an Exception and no OSError", (issubclass(simple.MQTTException, Exception), issubclass(simple.MQTTException, OSError)), (True, False))
    check("robust is a simple", issubclass(robust.MQTTClient, simple.MQTTClient), True)
    check("default is a robust", issubclass(default.MQTTClient, robust.MQTTClient), True)
    check("keepalive of 65536", raised(simple.MQTTClient("api", server, keepalive=65536).connect), AssertionError)
    check("will with QoS 3", raised(c.set_last_will, "t", "m", qos=3), AssertionError)
    check("will without a topic", raised(c.set_last_will, "", "m"), AssertionError)
    if serial:
        differ("ssl=True", "TLS is the gateway's", raised(simple.MQTTClient, "api", server, ssl=True), None, ValueError)


def sessions():
    c = simple.MQTTClient("api-s", server)
    check("connect", c.connect(), 0)
    check("disconnect", c.disconnect(), None)
    check("connect(False), no session", c.connect(False), 0)
    c.publish("api/up", b"x", qos=1)  # umqttd says again that a session is new to a board that has done nothing in it
    seen("api/up")
    c.disconnect()
    check("connect(clean_session=False), session present", c.connect(clean_session=False), 1)
    c.disconnect()
    check("connect(True) forgets it", c.connect(True), 0)
    c.disconnect()
    check("connect(False) after that", c.connect(False), 0)
    c.disconnect()
    check("connect(True, 10)", c.connect(True, 10), 0)
    check("the second connect in a session", c.connect(timeout=10), 0)
    c.disconnect()


def publishing():
    c = simple.MQTTClient("api-p", server)
    c.connect()
    check("publish QoS 0", c.publish("api/up", "text"), None)
    check("it arrives", seen("api/up"), "0 74657874")
    check("publish QoS 1", c.publish(b"api/up", b"bytes", False, 1), None)
    check("it arrives", seen("api/up"), "1 6279746573")
    check("by name", c.publish(topic="api/up", msg="m", retain=False, qos=1), None)
    check("it arrives", seen("api/up"), "1 6d")
    c.publish("api/up", b"", qos=1)
    check("an empty message", seen("api/up"), "1 ")
    every = bytes(range(256))
    c.publish("api/up", every, qos=1)
    check("every byte", seen("api/up"), "1 " + hexed(every))
    c.publish("api/up", bytearray(b"\0\1"), qos=1)
    check("a bytearray", seen("api/up"), "1 0001")
    c.publish("api/gr\xfc\xdfe".encode(), b"umlaut", qos=1)
    check("a topic beyond ASCII", seen("api/gr\xfc\xdfe"), "1 756d6c617574")
    c.publish("ab", b"two", qos=1)
    check("a topic of two bytes", seen("ab"), "1 74776f")
    long = "api/" + "long/" * 40
    c.publish(long, b"x", qos=1)
    check("a topic of 204 bytes", seen(long), "1 78")
    c.publish("api/up", b"0123456789" * 180, qos=1)
    check("a message of 1800 bytes", seen("api/up"), "1 " + "30313233343536373839" * 180)
    c.publish("api/keep", b"kept", True)
    check("retain, QoS 0", (seen("api/keep"), ask("retained", "api/keep")), ("0 6b657074", "6b657074"))
    c.publish("api/keep", b"kept 1", True, 1)
    check("retain, QoS 1", (seen("api/keep"), ask("retained", "api/keep")), ("1 6b6570742031", "6b6570742031"))
    c.publish("api/keep", b"", True, 1)
    check("retain nothing", (seen("api/keep"), ask("retained", "api/keep")), ("1 ", "-"))
    check("ping", c.ping(), None)
    check("wait_msg after ping" if not serial else "check_msg after ping", poll(c, 100) if serial else c.wait_msg(), None)
    c.publish("api/up", b"after", qos=1)
    check("publish after ping", seen("api/up"), "1 6166746572")
    c.disconnect()
    # umqtt has written half a PUBLISH by the time that it refuses; umqtt_serial has sent nothing.
    c = simple.MQTTClient("api-p2", server)
    c.connect()
    check("publish QoS 2", raised(c.publish, "api/up", b"", False, 2), AssertionError)
    if serial:
        check("connected as before", c.publish("api/up", b"still", qos=1), None)
        check("it arrives", seen("api/up"), "1 7374696c6c")
    c.disconnect()


def subscribing():
    c = simple.MQTTClient("api-r", server)
    c.connect()
    check("subscribe without a callback", raised(c.subscribe, "api/down"), AssertionError)
    c.set_callback(callback)
    check("set_callback, subscribe", c.subscribe("api/down"), None)
    check("check_msg, nothing there", c.check_msg(), None)
    send("api/down", b"hello")
    check("check_msg, QoS 0", poll(c), 0x30)
    check("the callback's arguments", called(), [(b"api/down", b"hello")])
    send("api/down", b"again")
    check("wait_msg, QoS 0", c.wait_msg(), 0x30)
    check("the callback's arguments", called(), [(b"api/down", b"again")])
    check("subscribe QoS 1, bytes", c.subscribe(b"api/one", 1), None)
    send("api/one", b"1", 1)
    check("wait_msg, QoS 1", c.wait_msg(), 0x32)
    check("the callback's arguments", called(), [(b"api/one", b"1")])
    send("api/one", b"0", 0)
    check("QoS 0 to a subscription of QoS 1", c.wait_msg(), 0x30)
    send("api/down", b"1", 1)
    check("QoS 1 to a subscription of QoS 0", c.wait_msg(), 0x30)
    called()
    send("api/was", b"kept", 1, True)
    c.subscribe("api/was", qos=1)
    check("a retained message", poll(c) if not calls else 0x33, 0x33)
    check("the callback's arguments", called(), [(b"api/was", b"kept")])
    c.subscribe("api/wild/+/x/#", 1)
    for topic in ("api/wild/1/x", "api/wild/2/x/y/z"):
        send(topic, b"w", 1)
        c.wait_msg()
        check("a wildcard", called(), [(topic.encode(), b"w")])
    send("api/one", b"", 1)
    c.wait_msg()
    check("an empty message", called(), [(b"api/one", b"")])
    every = bytes(range(256)) * 6
    send("api/one", every, 1)
    c.wait_msg()
    check("1536 bytes", called() == [(b"api/one", every)], True)
    for i in range(20):
        send("api/one", str(i).encode(), 1)
    while len(calls) < 20:
        c.wait_msg()
    check("twenty in their order", called(), [(b"api/one", str(i).encode()) for i in range(20)])
    send("api/one", b"meanwhile", 1)
    ask("settled")
    time.sleep_ms(100)
    c.publish("api/up", b"x", qos=1)
    check("what comes while publish waits is delivered", called() if calls else (poll(c), called())[1], [(b"api/one", b"meanwhile")])
    seen("api/up")
    check("unsubscribe", c.unsubscribe("api/one"), None)
    send("api/one", b"not any more", 1)
    send("api/down", b"marker", 1)
    poll(c)
    check("unsubscribed", called(), [(b"api/down", b"marker")])

    # A callback that publishes QoS 0 is what umqtt allows.
    c.set_callback(lambda topic, msg: c.publish("api/echo", msg))
    send("api/down", b"echo", 1)
    poll(c)
    check("publish in a callback", seen("api/echo"), "0 6563686f")

    # One that fails is not caught.
    def fail(topic, msg):
        raise ValueError("callback")

    c.set_callback(fail)
    send("api/down", b"fail", 1)
    check("an exception of a callback", raised(poll, c), ValueError)
    c.set_callback(callback)
    send("api/down", b"after", 1)
    poll(c)
    check("after that", called(), [(b"api/down", b"after")])
    c.disconnect()


def persistence():
    c = simple.MQTTClient("api-q", server)
    c.set_callback(callback)
    c.connect(False)
    c.subscribe("api/later", 1)
    c.disconnect()
    for text in (b"1", b"2", b"3"):
        send("api/later", text, 1)
    c = simple.MQTTClient("api-q", server)
    c.set_callback(callback)
    check("a session with messages", c.connect(False), 1)
    poll(c, until=lambda: len(calls) >= 3)
    while len(calls) < 3:
        poll(c)
    check("messages of the time between", called(), [(b"api/later", b"1"), (b"api/later", b"2"), (b"api/later", b"3")])
    c.disconnect()
    c = simple.MQTTClient("api-q", server)
    c.set_callback(callback)
    c.connect(False)
    check("they come once", (poll(c, 300), called()), (None, []))
    c.disconnect()
    c.connect(True)
    c.disconnect()


def wills():
    c = simple.MQTTClient("api-w", server, keepalive=60)
    check("set_last_will", c.set_last_will("api/will", "gone"), None)
    c.connect()
    c.publish("api/up", b"here", qos=1)
    seen("api/up")
    c.disconnect()
    check("no will after disconnect", ask("none", "api/will"), "none")
    c.set_last_will(b"api/will", b"lost", True, 1)
    c.connect()
    c.publish("api/up", b"here", qos=1)
    seen("api/up")
    ask("cut")
    check("the will of a board that is lost", seen("api/will"), "1 6c6f7374")
    check("is retained", ask("retained", "api/will"), "6c6f7374")
    ask("mend")


def robustness():
    delays = []
    logs = []

    class Client(robust.MQTTClient):
        DELAY = 1

        def delay(self, i):
            delays.append(i)
            time.sleep_ms(100)

        def log(self, in_reconnect, e):
            logs.append((in_reconnect, isinstance(e, OSError)))

    check("DELAY and DEBUG", (robust.MQTTClient.DELAY, robust.MQTTClient.DEBUG), (2, False))
    c = Client("api-b", server, keepalive=60)
    c.set_callback(callback)
    check("connect", c.connect(False), 0)
    check("subscribe", c.subscribe("api/robust", 1), None)
    check("check_msg, nothing there", c.check_msg(), None)
    check("check_msg(attempts)", c.check_msg(1), None)
    check("check_msg(attempts=2)", c.check_msg(attempts=2), None)
    check("publish", c.publish("api/up", b"1", False, 1), None)
    check("it arrives", seen("api/up"), "1 31")
    ask("restart")
    check("publish after the other end was gone", c.publish("api/up", b"2", qos=1), None)
    check("it arrives", seen("api/up"), "1 32")
    check("log was told", (False, True) in logs, True)
    send("api/robust", b"still subscribed", 1)
    poll(c, 10000, lambda: calls)
    check("the session is the old one", called(), [(b"api/robust", b"still subscribed")])
    ask("away")
    logs.clear()
    host.say("ask back")
    poll(c, 1000, lambda: delays)  # the test brings it back meanwhile
    desk.wait("answer")
    send("api/robust", b"back", 1)
    poll(c, 10000, lambda: calls)
    check("check_msg comes back by itself", called(), [(b"api/robust", b"back")])
    check("reconnect", c.reconnect(), 1)
    c.disconnect()
    c.connect(True)
    c.disconnect()


def handlers():
    c = default.MQTTClient("api-m", server, 1883, "user", "password", 60)
    got = []
    check("connect(clean_session=True)", c.connect(clean_session=True), 0)
    check("isconnected", c.isconnected(), True)
    check("subscribe(topic, handler)", c.subscribe("api/a", lambda data: got.append(data)), None)
    check("subscribe(topic, handler, qos)", c.subscribe("api/b", lambda data: got.append(("b",) + data), 1), None)
    check("subscribe(topic, handler, qos=0)", c.subscribe(b"api/c", lambda data: got.append(("c",) + data), qos=0), None)
    check("check_msg, nothing there", poll(c, 20), None)

    def want(name, message):
        poll(c, until=lambda: got)
        time.sleep_ms(10)
        check(name, got[:], [message])
        got.clear()

    send("api/a", b"one")
    want("a handler's one argument", (b"api/a", b"one"))
    send("api/b", b"two", 1)
    want("each topic has its handler", ("b", b"api/b", b"two"))
    send("api/c", b"three")
    want("a topic of bytes", ("c", b"api/c", b"three"))
    check("unsubscribe", c.unsubscribe("api/a"), None)
    send("api/a", b"not any more", 1)
    send("api/b", b"four", 1)
    want("unsubscribed", ("b", b"api/b", b"four"))
    c.subscribe("api/w/#", lambda data: got.append(("w",) + data))
    send("api/w/1", b"five")
    poll(c, 1000, until=lambda: got)
    time.sleep_ms(10)
    differ("a handler of a wildcard", "umqtt's are never called", got[:], [], [("w", b"api/w/1", b"five")])
    check("publish", c.publish("api/up", "m5", qos=0), None)
    check("it arrives", seen("api/up"), "0 6d35")
    check("disconnect", c.disconnect(), None)
    # umqtt: False if its socket says so, which a lwIP socket that is closed does.
    check("isconnected after that", c.isconnected(), False)


def absent():
    ask("away")
    c = simple.MQTTClient("api-x", server)
    check("connect, nobody there", raised(c.connect, timeout=2), OSError)
    ask("back")
    check("connect, somebody there", c.connect(), 0)
    ask("away")
    c.set_callback(callback)
    check("wait_msg, the other end has gone", raised(c.wait_msg), OSError)
    ask("back")


def refused():
    c = simple.MQTTClient("api-refused", server, 1883, "user", "wrong")
    check("connect, refused", raised(c.connect), simple.MQTTException)


for part in argv[1:]:
    host.say("part " + part)
    globals()[part]()
host.say("done")
