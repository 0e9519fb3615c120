"""Rules and runbooks over recorded samples: what would have fired, paged and run."""
