"""Code that runs inside the sandbox: the fork server and its children, on Python 3.9 or later, standard library only."""
