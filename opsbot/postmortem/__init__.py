"""What is known of an incident, written down for the people who will ask why it happened."""
