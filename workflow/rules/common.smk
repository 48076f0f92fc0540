# What the rules share.


include: "common/campaign.smk"
include: "common/surfaces.smk"
include: "common/outputs.smk"
include: "common/code.smk"
include: "common/jobs.smk"
include: "common/iterations.smk"
include: "common/stages.smk"
include: "common/checks.smk"
include: "common/datasets.smk"
include: "common/training.smk"
