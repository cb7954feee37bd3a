"""``python -m edgecls``."""

from edgecls.cli import main

if __name__ == "__main__":
    main()
