"""Pictures for people: an incident's numbers over time, and what the fleet carries."""
