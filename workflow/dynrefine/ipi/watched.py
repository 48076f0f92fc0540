"""Run a Python program that ends with the process that started it, without leaving a folder or socket behind.

python watched.py PARENT FOLDER SOCKET PROGRAM ARGUMENTS
"""

import os
import runpy
import shutil
import sys
import threading
import time
from pathlib import Path


def end_with(parent: int, folder: str, socket: str) -> None:
    """End this process when its parent has ended, or i-PI would wait for forces forever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    Path(socket).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(int(sys.argv[1]), *sys.argv[2:4]), daemon=True).start()
    sys.argv = sys.argv[4:]
    runpy.run_path(sys.argv[0], run_name="__main__")
