"""The one exception that is written for the person who runs a campaign."""


class CampaignError(Exception):
    """A problem the user can mend; its message says what, where, what was expected and the remedy."""
