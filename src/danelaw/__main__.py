"""`python -m danelaw`."""

from danelaw.cli import main

if __name__ == "__main__":
    main()
