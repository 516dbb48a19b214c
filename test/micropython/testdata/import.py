# Says which files of the package a program with M5Stack's class brings along.
import sys
import host
from umqtt_serial import MQTTClient
from umqtt_serial import robust, simple

files = []
for name, module in sys.modules.items():
    if name.split(".")[0] == "umqtt_serial":
        files.append(module.__file__.replace("/lib/", ""))
host.say("modules " + " ".join(files))
assert issubclass(MQTTClient, robust.MQTTClient) and issubclass(robust.MQTTClient, simple.MQTTClient)
