# Data sets: of the campaign and of single surfaces.

from pathlib import Path

from dynrefine.datasets.deepmd import files_of


def download(wildcards):
    """The settings for downloading a file."""
    file = DOWNLOADS[f"resources/{wildcards.file}"]
    return settings_of("download_frames", sha256=file.sha256)


def address(wildcards):
    """Where a file is downloaded from."""
    return DOWNLOADS[f"resources/{wildcards.file}"].url


def without_addresses(dataset):
    """A data set without the addresses of its files, which do not matter to the results."""
    if dataset is None:
        return None
    files = [file.model_copy(update={"url": None}) for file in dataset.files]
    return dataset.model_copy(update={"files": files})


def frames_of(dataset):
    """The frame files of a data set; a rule makes those that are downloaded."""
    return [file.path for file in dataset.files] if dataset else []


def contents_of(dataset):
    """The files in folders that are not downloaded: a folder's own time does not change when its files do."""
    given = [path for path in frames_of(dataset) if path not in DOWNLOADED_FOLDERS]
    folders = [Path(path) for path in given if Path(path).is_dir()]
    return [str(path) for folder in folders for path in files_of(folder)]


def own_dataset(wildcards):
    """A surface's own data set, if it has one."""
    return OWN_DATASETS.get(wildcards.surface)


def frames_of_surface(wildcards):
    """The frame files of a surface's own data set."""
    return frames_of(own_dataset(wildcards))


def contents_of_surface(wildcards):
    """The files in the folders of a surface's own data set."""
    return contents_of(own_dataset(wildcards))


def own_dataset_settings(wildcards):
    """The settings for preparing a surface's own data set; the training reports the labels it lacks."""
    dataset = without_addresses(own_dataset(wildcards))
    return settings_of("prepare_dataset", dataset=dataset, needed=[])


def own_dataset_seed(wildcards):
    """The seed for preparing a surface's own data set."""
    return seed("prepare_own_dataset", wildcards.surface)


def frames_of_part(part, surface):
    """The frames of a part of the data set that a surface is trained on."""
    folder = f"dataset_{surface}" if surface in OWN_DATASETS else "dataset"
    return f"<results>/{folder}/{part}.extxyz"


def part_for_training(part):
    """The same for the surface of a job."""

    def path(wildcards):
        return frames_of_part(part, wildcards.surface)

    return path
