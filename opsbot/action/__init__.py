"""The actions that ship with opsbot; each is an adapter to one system. `registry.py` names them all."""
