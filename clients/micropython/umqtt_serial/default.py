# M5Stack's umqtt.MQTTClient over a serial line: a handler for each topic filter.

from micropython import schedule

from . import robust


# Whether a topic filter selects a topic; both are bytes.
def match(filter, topic):
    if filter == topic:
        return True
    filter = filter.split(b"/")
    topic = topic.split(b"/")
    if topic[0][:1] == b"$" and filter[0] in (b"+", b"#"):
        return False
    for i, level in enumerate(filter):
        if level == b"#":
            return True
        if i == len(topic) or level != b"+" and level != topic[i]:
            return False
    return len(filter) == len(topic)


class MQTTClient(robust.MQTTClient):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)
        self.set_callback(self._callback)
        self._topics = {}
        self._scheduled = False

    def subscribe(self, topic, handler, qos=0):
        self._topics[robust.simple._bytes(topic)] = handler
        super().subscribe(topic, qos)

    def unsubscribe(self, topic):
        self._topics.pop(robust.simple._bytes(topic), None)
        super().unsubscribe(topic)

    def _callback(self, topic, msg):
        for filter, handler in list(self._topics.items()):
            if match(filter, topic):
                handler((topic, msg))

    # Messages are delivered by a scheduled function, and acknowledged after that: if the queue of
    # micropython.schedule is full they wait.
    def _deliver(self):
        if self._inbox and not self._scheduled and not self._delivering:
            try:
                schedule(self._scheduled_deliver, None)
                self._scheduled = True
            except RuntimeError:
                pass  # full; check_msg() tries again

    def _scheduled_deliver(self, _):
        self._scheduled = False
        super()._deliver()
