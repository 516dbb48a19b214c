# What a program is told when things are not as they should be, and how long that takes. argv: the parts.
import time
import desk
import host
from machine import UART
from umqtt_serial import simple, robust

uart = UART(1)


def ask(what):
    host.say("ask " + what)
    desk.wait("answer")


# Says what f raises, after how many ms; "none" if nothing.
def tell(name, f, *args, **kw):
    began = time.ticks_ms()
    try:
        f(*args, **kw)
        what = "none"
    except Exception as e:
        what = type(e).__name__
    host.say("%s %d %s" % (name, time.ticks_diff(time.ticks_ms(), began), what))


def client():
    c = simple.MQTTClient("m5", uart)
    c.set_callback(lambda topic, msg: None)
    return c


ask("away")
tell("absent", client().connect, timeout=1)
ask("garbage")
tell("garbage", client().connect, timeout=1)
ask("back")
c = client()
tell("there", c.connect, timeout=10)
c.TIMEOUT = 2
tell("payload", c.publish, "up/m5", b"x" * 3000, False, 1)
tell("topic", c.publish, "t" * 3000, b"x", False, 1)
tell("wildcard", c.publish, "up/#", b"x", False, 1)
tell("filter", c.subscribe, "a/#/b", 1)
tell("still", c.publish, "up/m5", b"x", False, 1)
ask("freeze")
tell("frozen", c.publish, "up/m5", b"x", False, 1)
ask("thaw")
c = client()
tell("again", c.connect, timeout=10)
tell("still", c.publish, "up/m5", b"y", False, 1)
c.disconnect()
tell("disconnected", c.publish, "up/m5", b"y", False, 1)
host.say("done")
