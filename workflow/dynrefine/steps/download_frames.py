"""Frames from the network."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import DownloadFrames
from dynrefine.datasets.fetching import fetch


def download_frames(job: Job, settings: DownloadFrames) -> None:
    """Download a file of frames and verify its checksum."""
    fetch(settings.url, settings.sha256, job.outputs.frames)
