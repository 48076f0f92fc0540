"""Frames from the network."""

from pathlib import Path

from dynrefine.campaign.job import Job
from dynrefine.config.steps import DownloadFrames
from dynrefine.datasets.fetching import fetch


def download_frames(job: Job, settings: DownloadFrames) -> None:
    """Download a file of frames, or the files of a folder, and verify their checksums."""
    url = job.resources["url"]
    if isinstance(settings.sha256, str):
        fetch(url, settings.sha256, job.outputs.frames)
        return
    for path, checksum in settings.sha256.items():
        fetch(f"{url.rstrip('/')}/{path}", checksum, Path(job.outputs.frames, path))
