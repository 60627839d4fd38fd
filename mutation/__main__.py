"""Run the command line."""

from mutation.cli import main

if __name__ == "__main__":
    main()
