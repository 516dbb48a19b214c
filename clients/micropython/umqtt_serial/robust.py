# umqtt.robust over a serial line: what fails is tried again, after another handshake if need be.

from time import sleep

from . import simple


class MQTTClient(simple.MQTTClient):
    DELAY = 2  # s between two attempts to connect
    DEBUG = False
    TIMEOUT = 0  # publish and subscribe wait as long as the gateway lives

    def delay(self, i):
        sleep(self.DELAY)

    # umqtt's log(in_reconnect, e), and simple's log(words)
    def log(self, in_reconnect, *e):
        if type(in_reconnect) is not bool:
            super().log(in_reconnect, *e)
        elif self.DEBUG:
            print("mqtt reconnect:" if in_reconnect else "mqtt:", repr(e[0]))

    # Connects and, if the session was not there any more, subscribes to everything again.
    def reconnect(self):
        i = 0
        while 1:
            try:
                present = self.connect(False)
                if not present:
                    for topic in list(self._filters):
                        super()._run(self._sub, topic, *self._filters[topic])
                return present
            except OSError as e:
                self.log(True, e)
                i += 1
                self.delay(i)

    def check_msg(self, attempts=2):
        for _ in range(attempts):
            try:
                return super().check_msg()
            except OSError as e:
                self._again(e)

    # A PUBLISH keeps its MsgId, and DUP says that it may have come before.
    def _run(self, step, *args):
        while 1:
            try:
                return super()._run(step, *args)
            except OSError as e:
                self._again(e)

    def _again(self, e):
        self.log(False, e)
        # A callback may have connected meanwhile.
        if not self.isconnected():
            self.reconnect()
