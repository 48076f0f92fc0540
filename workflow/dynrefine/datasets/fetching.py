"""Data sets kept elsewhere: by address and checksum, or from a folder given in its place."""

import hashlib
import shutil
import urllib.request
from http.client import HTTPException
from pathlib import Path

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import atomic_path


def fetch(address: str | Path, sha256: str, destination: str | Path) -> Path:
    """Bring a file to `destination`, or leave it there, and verify its checksum.

    Arguments:
        address: an http or https address, or the path of a local copy.
        sha256: the checksum, 64 hexadecimal digits.
        destination: the file to write; one that is there with the right checksum is kept.

    Returns:
        the destination.

    Raises:
        CampaignError: the file cannot be had, or is another than expected.
    """
    destination = Path(destination)
    if destination.exists() and _checksum(destination) == sha256:
        return destination
    with atomic_path(destination) as temporary:
        _copy(str(address), temporary)
        found = _checksum(temporary)
        if found != sha256:
            raise CampaignError(
                f"{address} has the SHA-256 {found}, expected {sha256}: the file was changed or the download "
                "was cut short; try again, or compare the file and correct the checksum."
            )
    return destination


def fetch_folder(address: str | Path, checksums: str | Path, destination: str | Path) -> Path:
    """Bring all files of a list to a folder.

    Arguments:
        address: the http or https address, or the local folder, below which the files lie.
        checksums: a file of lines "checksum  relative path", as the program sha256sum writes them.
        destination: the folder to write.

    Returns:
        the destination.

    Raises:
        CampaignError: a file cannot be had, or is another than expected.
    """
    for line in Path(checksums).read_text().splitlines():
        checksum, name = line.split(maxsplit=1)
        fetch(f"{str(address).rstrip('/')}/{name}", checksum, Path(destination) / name)
    return Path(destination)


def _copy(address: str, path: Path) -> None:
    remote = address.startswith(("http://", "https://"))
    try:
        with (
            urllib.request.urlopen(address, timeout=60) if remote else open(address, "rb") as source,
            open(path, "wb") as target,
        ):
            shutil.copyfileobj(source, target)
    except (HTTPException, OSError, ValueError) as error:
        raise CampaignError(
            f"{address} could not be copied ({getattr(error, 'reason', error)}): expected an http or https "
            "address within reach or a file; correct it, or give the path of a local copy."
        ) from error


def _checksum(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
