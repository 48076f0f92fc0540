"""The exception whose message is written for the person who runs a campaign."""


class CampaignError(Exception):
    """A problem that the user can fix; its message says what, where, what was expected, and the remedy."""
