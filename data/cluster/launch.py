"""Script that a job runs: becomes the given command, which then ends with the job and not before it.

Signals that Slurm sends to every process of a job before preempting it are handled by the job. If the job is killed,
the command is interrupted as by Ctrl-C.
"""

import ctypes
import os
import signal
import sys

LEFT_TO_THE_JOB = (signal.SIGTERM, signal.SIGUSR2)
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command given in the arguments."""
    for number in LEFT_TO_THE_JOB:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # background processes of a shell ignore it
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
