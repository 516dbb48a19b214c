# A board that publishes numbered messages with QoS 1, one after another, and says what it was given. argv: which class, a name, and from which number on.
import time
from binascii import crc32
import host
from machine import UART

flavour, name, number = argv[0], argv[1], int(argv[2])
uart = UART(1, 115200, rxbuf=256)
until = number


def text(n):
    head = "%s %07d " % (name, n)
    sum = crc32(head)
    return head + ("%08x" % sum) * (1 + sum % 12)


def got(topic, msg):
    host.say("down %s %s" % (topic.decode(), msg.decode()))


if flavour == "default":
    from umqtt_serial import MQTTClient

    c = MQTTClient(name, uart, keepalive=10)
    c.connect(False)
    c.subscribe("down/" + name, lambda data: got(*data), 1)
elif flavour == "robust":
    from umqtt_serial.robust import MQTTClient

    class Client(MQTTClient):
        DELAY = 0.1

    c = Client(name, uart, keepalive=10)
    c.set_callback(got)
    c.connect(False)
    c.subscribe("down/" + name, 1)
else:
    from umqtt_serial.simple import MQTTClient

    c = MQTTClient(name, uart, keepalive=10)
    c.set_callback(got)

    def connect():
        while True:
            try:
                c.connect(False)
                c.subscribe("down/" + name, 1)
                return
            except OSError as e:
                host.say("lost %r" % e)
                time.sleep_ms(100)

    connect()
host.say("ready")


# What a program with umqtt.simple does about a lost session.
def simple(f, *args):
    while True:
        try:
            return f(*args)
        except OSError as e:
            host.say("lost %r" % e)
            connect()


def plain(f, *args):
    return f(*args)


run = simple if flavour == "simple" else plain


def loop():
    global number, until
    line = host.take()
    if line == "heap":
        host.measure()
    elif line == "end":
        c.disconnect()
        raise SystemExit
    elif line:
        until = int(line)
    run(c.check_msg)
    if number < until:
        run(c.publish, "up/" + name, text(number), False, 1)
        host.say("acked %d" % number)
        number += 1
        if number % 50 == 0:
            c.log("board", name, "has sent", number)
    else:
        time.sleep_ms(2)
