# For an M5Stack, on its USB cable's own UART or on another: counts button presses, and shows what it is told.
# In a program for Wi-Fi, two lines are different: `from umqtt import MQTTClient`, and a host name for the UART.
import M5
from machine import UART
from umqtt_serial import MQTTClient

client = None
presses = 0


def on_text(message):
    topic, text = message
    print("%s: %s" % (topic.decode(), text.decode()))


def setup():
    global client
    M5.begin()
    uart = UART(1, baudrate=115200, tx=17, rx=16, rxbuf=512)
    client = MQTTClient("m5-desk", uart, keepalive=30)
    client.set_last_will(b"m5-desk/status", b"offline", retain=True)
    client.connect(clean_session=False)
    client.subscribe(b"m5-desk/+/set", on_text, qos=1)
    client.publish(b"m5-desk/status", b"online", retain=True, qos=1)


def loop():
    global presses
    M5.update()
    client.check_msg()
    if M5.BtnA.wasPressed():
        presses += 1
        client.publish(b"m5-desk/presses", str(presses), qos=1)


if __name__ == "__main__":
    setup()
    while True:
        loop()
