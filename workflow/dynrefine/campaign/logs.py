"""The log of a job: everything in its file, warnings and errors on the terminal."""

import logging
import os
import re
from pathlib import Path

# Set by Snakemake's logger of this project, which tells what the logs say.
QUIET_VARIABLE = "DYNREFINE_QUIET_JOBS"

# XLA 0.10.1 says so of each program from the cache, on the CPU that compiled it too: these two are wishes of its
# compiler, not instructions of a CPU (openxla/xla issue 44565). A feature that is missing has a line of its own.
_FALSE_ALARM = re.compile(
    rb"^E\d+ .*cpu_aot_loader.*Target machine feature \+prefer-no-(gather|scatter) .*\n", re.M
)


class _Formatter(logging.Formatter):
    """Progress with the seconds since the start; warnings and errors with their name in front."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return f"{record.relativeCreated / 1000:9.1f} s  {text}"
        return f"{record.levelname.lower()}: {text}"


def open_log(path: Path) -> None:
    """Send what is logged, and what libraries write to standard error, to this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = logging.FileHandler(path, mode="w", encoding="utf-8")
    handlers: list[logging.Handler] = [log]
    if not os.environ.get(QUIET_VARIABLE):
        terminal = logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8"))
        terminal.setLevel(logging.WARNING)
        handlers.append(terminal)
    # what libraries write past Python's logging belongs to the log file too
    if log.stream:
        os.dup2(log.stream.fileno(), 2)
    for handler in handlers:
        handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    for chatty in ("jax", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def without_false_alarms(found: bytes) -> bytes:
    """What a log says, less what XLA says wrongly of each program from the cache."""
    return _FALSE_ALARM.sub(b"", found)


def drop_false_alarms(path: Path) -> None:
    """Write the log anew without them, through standard error, so that what follows stands at its end."""
    found = path.read_bytes()
    kept = without_false_alarms(found)
    if len(kept) < len(found):
        with open(2, "wb", closefd=False, buffering=0) as stream:
            stream.seek(0)
            stream.truncate()
            stream.write(kept)
