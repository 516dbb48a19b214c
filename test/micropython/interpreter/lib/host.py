# How a program in a test talks to the test.
import _host

say = _host.say  # say(text): a line for the test, whatever print() does
take = _host.take  # take(): the next line of the test's, or None
measure = _host.measure  # measure(): say the live heap, as soon as the program gives control back
