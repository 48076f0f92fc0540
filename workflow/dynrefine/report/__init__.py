"""The report of a campaign: figures, tables and one self-contained page."""
