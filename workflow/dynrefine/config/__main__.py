"""Check a configuration and its files, or rewrite config/schema.json and config/reference.yaml."""

import argparse
import sys
from pathlib import Path

from dynrefine.config import check_files, load_config
from dynrefine.config.load import read_together
from dynrefine.config.reference import write_documents
from dynrefine.errors import CampaignError

parser = argparse.ArgumentParser(prog="python -m dynrefine.config", description=__doc__)
parser.add_argument(
    "files",
    nargs="*",
    type=Path,
    help="configuration to check, with paths from the working directory; later files override earlier ones",
)
parser.add_argument(
    "--write", action="store_true", help="write schema.json and reference.yaml to the folder config"
)
arguments = parser.parse_args()
if arguments.write:
    write_documents(Path("config"))
if arguments.files:
    try:
        check_files(load_config(read_together(arguments.files)))
    except CampaignError as error:
        sys.exit(str(error))
    print(f"{' + '.join(map(str, arguments.files))}: nothing is wrong with it")
