# umqtt over a serial line to umqttd. Modules are loaded when they are asked for, so that
# umqtt_serial.simple alone costs no more than it needs.


def __getattr__(name):
    if name == "MQTTClient":  # M5Stack's
        from .default import MQTTClient

        return MQTTClient
    if name[0] == "_":
        raise AttributeError(name)
    return __import__("umqtt_serial." + name, None, None, (name,))
