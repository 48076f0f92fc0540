"""The steps of a campaign: one function for each rule, from files to files."""
