"""Pages of the documentation whose commands tests follow."""

import os
import re
import sys
from pathlib import Path

from campaigns import ROOT, Campaign

BIN = Path(sys.executable).parent


def blocks_of(page: str) -> list[tuple[str, str]]:
    """The languages and texts of a page's blocks, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(bash|python|xml|yaml)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def shell_of(campaign: Campaign) -> dict[str, str]:
    """The variables of a user's shell in the folder of a campaign, its environment active."""
    return campaign.environment | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(campaign.folder / "workflow"),
    }
