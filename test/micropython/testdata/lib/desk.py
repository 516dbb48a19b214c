# What the test says, sorted by the first word: answers to questions, and what the modem of module socket says.
import time
import host

_lines = []


# The rest of the next line that begins with one of the words, or None.
def take(*words):
    line = host.take()
    if line is not None:
        _lines.append(line.split(" ", 1))
    for i, line in enumerate(_lines):
        if line[0] in words:
            return " ".join(_lines.pop(i))


def wait(*words):
    while True:
        line = take(*words)
        if line is not None:
            return line
        time.sleep_ms(1)


def forget(word):
    while take(word) is not None:
        pass
