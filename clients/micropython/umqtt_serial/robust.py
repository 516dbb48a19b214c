# umqtt.robust over a serial line: what fails is tried again, after another handshake if need be.

from time import sleep

from . import simple


class MQTTClient(simple.MQTTClient):
    DELAY = 2  # s between two attempts to connect
    DEBUG = False
    TIMEOUT = 0  # publish, subscribe wait as long as the gateway lives
    ATTEMPTS = 0  # to connect, before reconnect() gives up and raises; 0: never

    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self._filters = {}  # topic filter -> QoS

    def delay(self, i):
        sleep(self.DELAY)

    # umqtt's log(in_reconnect, e), and simple's log(words).
    def log(self, *what):
        if type(what[0]) is not bool:
            super().log(*what)
        elif self.DEBUG:
            print("mqtt reconnect: %r" % what[1] if what[0] else "mqtt: %r" % what[1])

    def connect(self, clean_session=True, timeout=None):
        if clean_session:
            self._filters = {}
        return super().connect(clean_session, timeout)

    # Connects and, if the session was not there any more, subscribes to everything again.
    def reconnect(self):
        i = 0
        while 1:
            try:
                present = self.connect(False)
                if not present:
                    for topic, qos in self._filters.items():
                        self._run(self._subscribe(topic, qos))
                return present
            except OSError as e:
                self.log(True, e)
                i += 1
                if i == self.ATTEMPTS:
                    raise
                self.delay(i)

    # The message keeps its MsgId, and DUP says that it may have come before (6.12).
    def publish(self, topic, msg, retain=False, qos=0):
        head = self._publish_head(retain, qos)
        self._insist(self._publish, head, topic, msg)

    def subscribe(self, topic, qos=0):
        self._insist(self._subscribe, topic, qos)
        self._filters[topic] = qos

    def unsubscribe(self, topic):
        self._filters.pop(topic, None)
        self._insist(self._unsubscribe, topic)

    def wait_msg(self):
        while 1:
            try:
                return super().wait_msg()
            except OSError as e:
                self._again(e)

    def check_msg(self, attempts=2):
        while attempts:
            try:
                return super().check_msg()
            except OSError as e:
                self._again(e)
            attempts -= 1

    def _insist(self, steps, *args):
        while 1:
            try:
                return self._run(steps(*args))
            except OSError as e:
                self._again(e)

    def _again(self, e):
        self.log(False, e)
        # A callback may have connected again meanwhile.
        if not self.isconnected():
            self.reconnect()
