# The port's sleep spins. This one sleeps, in slices, so that what micropython.schedule() was given runs meanwhile.
from utime import *
from utime import ticks_diff as _diff, ticks_ms as _now
from _host import sleep as _sleep


def sleep_ms(ms):
    began = _now()
    while True:
        left = ms - _diff(_now(), began)
        if left <= 0:
            return
        _sleep(min(left, 5))


def sleep(s):
    sleep_ms(int(s * 1000))


def sleep_us(us):
    sleep_ms((us + 999) // 1000)
