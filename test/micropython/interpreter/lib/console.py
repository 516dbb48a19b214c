# The console of a board interrupts the program when it receives the interrupt character. micropython.kbd_intr, which says what that is, is a dummy in this port.
import sys
import micropython
import _host


class _MicroPython:
    kbd_intr = _host.interrupt_char


for _name in dir(micropython):
    if not hasattr(_MicroPython, _name):
        setattr(_MicroPython, _name, getattr(micropython, _name))
sys.modules["micropython"] = _MicroPython
