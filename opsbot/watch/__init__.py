"""The watch role: scrape, evaluate, post alerts, answer queries."""
