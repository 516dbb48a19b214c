# umqtt_serial.MQTTClient: M5Stack's umqtt.MQTTClient over a serial line, a handler for each topic filter.

from micropython import schedule

from . import robust


# Whether a topic filter selects a topic.
def match(filter, topic):
    filter = filter.split(b"/")
    levels = topic.split(b"/")
    if topic[0] == 36 and filter[0] in (b"+", b"#"):  # $
        return False
    for level in filter:
        if level == b"#":
            return True
        if not levels or level not in (b"+", levels.pop(0)):
            return False
    return not levels


class MQTTClient(robust.MQTTClient):
    _scheduled = False

    def subscribe(self, topic, handler, qos=0):
        self._run(self._sub, topic, qos, handler)

    # What set_callback() sets elsewhere.
    def cb(self, topic, msg):
        for filter, (_, handler) in list(self._filters.items()):
            if match(filter, topic):
                handler((topic, msg))

    # Messages are delivered by a scheduled function, and acknowledged after that: if the queue of
    # micropython.schedule is full, they wait.
    def _deliver(self):
        if self._inbox and not self._scheduled and not self._busy:
            self._scheduled = True
            try:
                schedule(self._work, None)
            except RuntimeError:
                self._scheduled = False  # again at the next check_msg()

    def _work(self, _):
        self._scheduled = False
        super()._deliver()
