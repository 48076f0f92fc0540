"""The log of a job: everything goes to its file, warnings and errors also to the terminal."""

import logging
import os
import re
from pathlib import Path

# Set by this project's logger for Snakemake, which reports what the logs say.
QUIET_VARIABLE = "DYNREFINE_QUIET_JOBS"

# XLA 0.10.1 prints this for each program from the cache, even on the CPU that compiled it: these two features are
# preferences of its compiler, not CPU instructions (openxla/xla issue 44565). A missing feature has its own line.
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
    """Send log messages, and what libraries write to standard error, to this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    log = logging.FileHandler(path, mode="w", encoding="utf-8")
    handlers: list[logging.Handler] = [log]
    if not os.environ.get(QUIET_VARIABLE):
        terminal = logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8"))
        terminal.setLevel(logging.WARNING)
        handlers.append(terminal)
    # what libraries write without Python's logging belongs in the log file too
    if log.stream:
        os.dup2(log.stream.fileno(), 2)
    for handler in handlers:
        handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    for chatty in ("jax", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def without_false_alarms(found: bytes) -> bytes:
    """The content of a log without XLA's false alarms about programs from the cache."""
    return _FALSE_ALARM.sub(b"", found)


def drop_false_alarms(path: Path) -> None:
    """Rewrite the log without false alarms, through standard error, so that later output follows at its end."""
    found = path.read_bytes()
    kept = without_false_alarms(found)
    if len(kept) < len(found):
        with open(2, "wb", closefd=False, buffering=0) as stream:
            stream.seek(0)
            stream.truncate()
            stream.write(kept)
