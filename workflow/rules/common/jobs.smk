# Settings, seeds and resources of jobs.

from dynrefine.campaign.seeds import derived_seed
from dynrefine.config.steps import limits_of, parameters_of

LIMITS = limits_of(campaign)


def settings_of(step, of=STUDENT, **others):
    """What a step depends on, as the params of its rule; changing anything else reruns nothing."""
    return parameters_of(step, of, **others)


def settings_of_state(step, of=STUDENT, **others):
    """The same for each state, from the wildcards."""

    def of_job(wildcards):
        return parameters_of(step, of, state=ALL_STATES[wildcards.state], **others)

    return of_job


def seed(*labels):
    """The seed of a rule that runs once."""
    return derived_seed(campaign.campaign.seed, *labels)


def chunk_seed(purpose):
    """The seed of each chunk of a rule, from its wildcards."""

    def seed_of_chunk(wildcards):
        return derived_seed(campaign.campaign.seed, purpose, *wildcards)

    return seed_of_chunk


def growing(amount):
    """A resource that grows with each attempt, so that a retried job gets what the first one lacked."""

    def of_attempt(wildcards, attempt):
        return amount * attempt

    return of_attempt
