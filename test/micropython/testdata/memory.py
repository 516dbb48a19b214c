# Says how much of the heap is alive: before the client is imported, after that, when it is connected, and whenever the test asks. Publishes as many messages as it is told.
import time
import host
from machine import UART

uart = UART(1)
left = got = 0
state = 0


def handler(data):
    global got
    got += 1


def loop():
    global c, left, state
    line = host.take()
    if line == "heap":
        host.measure()
    elif line == "import":
        import umqtt_serial

        umqtt_serial.MQTTClient
        host.say("imported")
    elif line == "connect":
        from umqtt_serial import MQTTClient

        c = MQTTClient("m5", uart, keepalive=60)
        c.connect()
        c.subscribe("down/#", handler, 1)
        c.publish("up/m5", "first", qos=1)
        state = 1
        host.say("connected")
    elif line:
        left = int(line)
    if not state:
        time.sleep_ms(2)
        return
    c.check_msg()
    if left:
        c.publish("up/m5", "message %d" % left, qos=1)
        left -= 1
        if not left:
            host.say("sent %d" % got)
    else:
        time.sleep_ms(2)
