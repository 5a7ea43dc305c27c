"""Run as a script by a job: becomes the command that it is given, which then ends with the job and not before it.

Signals that Slurm sends to every process of a job before it takes the machine away are for the job to answer. If the
job is killed, the command is interrupted as by Ctrl-C.
"""

import ctypes
import os
import signal
import sys

LEFT_TO_THE_JOB = (signal.SIGTERM, signal.SIGUSR2)
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the command in the arguments."""
    for number in LEFT_TO_THE_JOB:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell lets what it starts in the background ignore it
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
