"""Watch's durable history: thinned samples in a file of its own, for windows that reach back further than memory."""
