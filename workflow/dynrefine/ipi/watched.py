"""Run a Python program that ends with the process that started it: python watched.py PARENT PROGRAM ARGUMENTS."""

import os
import runpy
import sys
import threading
import time


def end_with(parent: int) -> None:
    """End this process, whatever it does, when its parent has ended: i-PI would wait for forces for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
