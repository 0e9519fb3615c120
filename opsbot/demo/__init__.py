"""The demo: the whole loop on a real model, driven and observed only through public interfaces."""
