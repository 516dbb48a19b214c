# asyncio.run, which this port has not: its tasks go on when the program has come to its end. A task that fails ends the program.
import asyncio
import sys


def _fail(loop, context):
    sys.print_exception(context["exception"], sys.stderr)
    raise SystemExit(1)


asyncio.run = asyncio.create_task
asyncio.get_event_loop().set_exception_handler(_fail)
