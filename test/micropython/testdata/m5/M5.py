# What an example for an M5Stack needs of UIFlow 2's module: a button that the test presses.
import host


def begin():
    pass


def update():
    pass


class BtnA:
    @staticmethod
    def wasPressed():
        return host.take() == "press"
