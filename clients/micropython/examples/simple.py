# umqtt.simple's own example, on a cable.
from machine import UART
from umqtt_serial.simple import MQTTClient


def main(uart):
    c = MQTTClient("umqtt_client", uart)
    c.set_callback(lambda topic, msg: print((topic, msg)))
    c.connect()
    c.subscribe(b"foo_topic")
    c.publish(b"foo_topic", b"hello")
    c.wait_msg()
    c.disconnect()


main(UART(1, 115200, rxbuf=512))
