"""The events role: takes the request log's events in, durably. Policies over them come later, in this process."""
