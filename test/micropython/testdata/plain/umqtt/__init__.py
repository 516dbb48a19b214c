# What M5Stack's umqtt is documented to add: a handler for each topic, which is given a tuple some time after the message has come.
from micropython import schedule
from . import robust


class MQTTClient(robust.MQTTClient):
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None, ssl_params={}):
        super().__init__(client_id, server, port, user, password, keepalive, ssl, ssl_params)
        self._handlers = {}
        self.set_callback(self._dispatch)

    def _dispatch(self, topic, msg):
        handler = self._handlers.get(topic)
        if handler:
            schedule(handler, (topic, msg))

    def subscribe(self, topic, handler, qos=0):
        self._handlers[topic.encode() if isinstance(topic, str) else topic] = handler
        return super().subscribe(topic, qos)

    def unsubscribe(self, topic):
        self._handlers.pop(topic.encode() if isinstance(topic, str) else topic, None)
        return super().unsubscribe(topic)
