# A sensor that is never at a loss: whatever restarts, it goes on. The clock is the gateway's.
import time

from machine import UART
from umqtt_serial.robust import MQTTClient

c = MQTTClient("attic", UART(1, 115200, rxbuf=512), keepalive=60)
c.set_callback(lambda topic, msg: c.log("told", topic, msg))
c.reconnect()
c.subscribe(b"commands/attic/#")
offset = c.time() - time.ticks_ms()
while True:
    c.publish(b"sensors/attic/clock", str(offset + time.ticks_ms()), qos=1)
    for _ in range(100):
        c.check_msg()
        time.sleep_ms(10)
