# asyncio: one task keeps the session, others do what they have to.
import asyncio

from machine import UART
from umqtt_serial.aio import MQTTClient


async def measure(c):
    n = 0
    while True:
        if c.isconnected():
            n += 1
            await c.publish("sensors/cellar/count", str(n), qos=1)
        await asyncio.sleep_ms(500)


async def main():
    c = MQTTClient("cellar", UART(1, 115200, rxbuf=512), keepalive=60)
    c.set_callback(lambda topic, msg: print(topic, msg))
    await c.connect()
    await c.subscribe("commands/cellar/#", 1)
    asyncio.create_task(c.run())
    await measure(c)


asyncio.run(main())
