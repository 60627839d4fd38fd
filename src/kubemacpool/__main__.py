"""`python -m kubemacpool` is the same as the command `kubemacpool`."""

from kubemacpool.cli.main import main

if __name__ == "__main__":
    main()
