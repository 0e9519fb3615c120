"""Reports and load tests in Slack: their blocks, their files, and the channel where they stand."""
