"""The validated configuration of a campaign: every key with its unit, its default and its limits."""

from dynrefine.config.load import check_files, load_config, read_yaml
from dynrefine.config.model import Config

__all__ = ["Config", "check_files", "load_config", "read_yaml"]
