# umqtt for asyncio: simple.MQTTClient, whose waiting lets other tasks run. Callbacks are plain functions.

import asyncio
from errno import ENOTCONN

from . import simple


class MQTTClient(simple.MQTTClient):
    DELAY = 2  # s between two attempts of run() to connect
    PAUSE = 5  # ms between two looks at the line: at 115200 baud 58 bytes come meanwhile

    # A task that is cancelled while it waits leaves nothing behind but, perhaps, its message on the way.
    async def _run(self, step, *args):
        steps = step(*args)
        try:
            for _ in steps:
                await asyncio.sleep_ms(self.PAUSE)
        finally:
            steps.close()
        return self._result

    async def connect(self, clean_session=True, timeout=None):
        return await self._run(self._hello, clean_session, timeout)

    async def disconnect(self):
        await self._run(self._quit)

    async def publish(self, topic, msg, retain=False, qos=0):
        await self._run(self._pub, self._head(retain, qos), topic, msg)

    async def subscribe(self, topic, qos=0):
        await self._run(self._sub, topic, qos)

    async def unsubscribe(self, topic):
        await self._run(self._unsub, topic)

    async def time(self):
        return await self._run(self._pub, self._head(False, 0), b"$umqttd/time", b"")

    async def wait_msg(self):
        while not self.check_msg():
            await asyncio.sleep_ms(self.PAUSE)
        return self._op

    # Connects and, if the session was not there any more, subscribes to everything again.
    async def reconnect(self, clean_session=False):
        present = await self.connect(clean_session)
        if not present:
            for topic in list(self._filters):
                await self._run(self._sub, topic, *self._filters[topic])
        return present

    # A task of its own: has messages delivered and keeps the session alive, and makes another when it is lost.
    async def run(self):
        while 1:
            try:
                if not self.isconnected():
                    await self.reconnect()
                self.check_msg()
                await asyncio.sleep_ms(self.PAUSE)
            except OSError as e:
                if e.errno != ENOTCONN:
                    await asyncio.sleep(self.DELAY)
