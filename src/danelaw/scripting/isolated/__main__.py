"""`python -I -m danelaw.scripting.isolated PARENT`: one worker, whose line to that process is its standard input."""

import sys

from danelaw.scripting.isolated.worker import main

if __name__ == "__main__":
    main(0, int(sys.argv[1]))
