# umqtt over a serial line to umqttd: MQTTClient is M5Stack's, those of micropython-lib are in simple and
# robust, and one for asyncio in aio. Each is loaded when a program asks for it.


def __getattr__(name):
    if name == "MQTTClient":
        from .default import MQTTClient

        return MQTTClient
    if name[0] == "_":
        raise AttributeError(name)
    return __import__("umqtt_serial." + name, None, None, (name,))
