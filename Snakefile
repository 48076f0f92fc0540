import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")

# Each iteration depends on the one before. Snakemake follows such chains recursively, and Python's default limit
# would end that after about 450 rules.
sys.setrecursionlimit(20000)

# Hashes of the sources decide what is run again: the sources must be the ones that run, here and in the scripts.
library = f"{workflow.basedir}/workflow"
sys.path.insert(0, library)
inherited = os.environ.get("PYTHONPATH")
os.environ.update(
    PYTHONPATH=f"{library}{os.pathsep}{inherited}" if inherited else library
)


# A configuration given on the command line replaces the default one; otherwise Snakemake would merge the two.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


from dynrefine.config import check_files, load_config, read_yaml
from dynrefine.errors import CampaignError

try:
    for path in workflow.overwrite_configfiles or ["config/config.yaml"]:
        read_yaml(Path(path))  # Snakemake alone would accept repeated keys
    campaign = load_config(config)
    if workflow.is_main_process:  # jobs parse this file again
        check_files(campaign)
except CampaignError as error:
    sys.exit(f"The configuration cannot be used.\n{error}")


pathvars:
    results=f"results/{campaign.campaign.name}",
    logs=f"results/{campaign.campaign.name}/logs",
    benchmarks=f"results/{campaign.campaign.name}/benchmarks",


wildcard_constraints:
    batch=r"\d{3}",
    iteration=r"\d{3}",
    chunk=r"\d{2}",
    property=r"[\w.-]+",
    state=r"\d+K(_[\d.]+(e[-+]\d+)?)?",
    stage=r"initial|refined|teacher|displaced_(above|below)_\w+",
    surface="|".join(["potential", "teacher", *campaign.trained_surfaces()]),


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/ensemble.smk"
include: "workflow/rules/gradient.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/covariance.smk"
include: "workflow/rules/path_integrals.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        "<results>/report.html",
