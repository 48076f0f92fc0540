"""Seeds of jobs: the same labels give the same numbers, wherever and in whatever order the jobs run."""

import hashlib


def derived_seed(campaign_seed: int, *labels: str | int) -> int:
    """The seed of one job.

    Arguments:
        campaign_seed: `campaign.seed` of the configuration.
        labels: what distinguishes the job from all others: its rule, iteration, state, chunk.

    Returns:
        a number below 2³², for both `numpy.random.default_rng` and `jax.random.key`.
    """
    text = "/".join(str(part) for part in (campaign_seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
