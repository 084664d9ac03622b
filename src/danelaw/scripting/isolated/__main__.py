"""`python -I -m danelaw.scripting.isolated FD PARENT`: one worker, whose line to the gateway is that descriptor."""

import sys

from danelaw.scripting.isolated.worker import main

if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
