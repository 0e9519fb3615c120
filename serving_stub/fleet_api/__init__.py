"""A fleet in real time over HTTP: every cluster a whole server, one router and one control API before them."""
