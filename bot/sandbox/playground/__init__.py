"""The playground: the real bot in a local workspace, used from a browser on this machine."""
