"""A logger of Snakemake for people who watch a campaign: `snakemake --logger dynrefine`.

On a terminal one line says where the campaign stands; elsewhere each finished job leaves a line. Failed jobs are told
with the end of their log and the remedy. Snakemake's own output is in `.snakemake/log` as always.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterable
from typing import TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_dynrefine.progress import Progress

# Tells jobs to write warnings and errors to their logs alone: they are told from there.
QUIET_JOBS = "DYNREFINE_QUIET_JOBS"


class LogHandler(LogHandlerBase):
    """Writes to the standard error what `Progress` makes of Snakemake's events."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.stream: TextIO = sys.stderr
        self.progress = Progress(dry_run=self.common_settings.dryrun)
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        os.environ[QUIET_JOBS] = "1"
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._drawn = ""
        if self.live:
            threading.Thread(target=self._redraw_each_second, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Write what is to be said of an event."""
        try:
            with self._writing:
                finished = [] if self.live else self.progress.finished(record)
                self._say([*self.progress.told(record), *finished])
        except Exception:  # whatever is wrong with a line of progress, the campaign goes on
            self.handleError(record)

    def close(self) -> None:
        """Say how it ended, once."""
        with self._writing:
            if not self._ended.is_set():
                self._ended.set()
                self._say(self.progress.ending())
        super().close()

    def _redraw_each_second(self) -> None:
        while not self._ended.wait(1.0):
            with self._writing:
                self._say([])

    def _say(self, texts: Iterable[str]) -> None:
        """Write texts, and below them, on a terminal, where the campaign stands."""
        written = "".join(f"{text}\n" for text in texts)
        if self.live:
            line = "" if self._ended.is_set() else self.progress.line()[: self._width() - 1]
            if written or line != self._drawn:
                written = f"\r\x1b[K{written}{line}"
            self._drawn = line
        if written:
            self.stream.write(written)
            self.stream.flush()

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except OSError:
            return 80
