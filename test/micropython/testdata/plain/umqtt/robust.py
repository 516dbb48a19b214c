# What umqtt.robust is documented to add: a lost connection is made anew, without end, and what was being done is done again.
import time
from . import simple


class MQTTClient(simple.MQTTClient):
    DELAY = 2
    DEBUG = False

    def delay(self, i):
        time.sleep(self.DELAY)

    def log(self, in_reconnect, e):
        if self.DEBUG:
            print("reconnect" if in_reconnect else "connection", e)

    def reconnect(self):
        tries = 0
        while True:
            try:
                return self.connect(False)
            except OSError as e:
                self.log(True, e)
                tries += 1
                self.delay(tries)

    def _again(self, attempts, f, *args):
        while attempts:
            try:
                return f(*args)
            except OSError as e:
                self.log(False, e)
            self.reconnect()
            attempts -= 1

    def publish(self, topic, msg, retain=False, qos=0):
        return self._again(-1, super().publish, topic, msg, retain, qos)

    def wait_msg(self):
        return self._again(-1, super().wait_msg)

    def check_msg(self, attempts=2):
        return self._again(attempts, super().check_msg)
