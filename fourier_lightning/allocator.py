"""How this process's memory is handed out, where that is glibc's doing."""

import ctypes

# <malloc.h>
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT = {M_TRIM_THRESHOLD: (1 << 31) - 1, M_TOP_PAD: 1 << 28}
LARGEST = (1 << 30, 1 << 25)  # of the blocks that are kept: an older glibc takes no more than the second


def keep_freed_memory() -> bool:
    """Keep what is freed for what is asked for next, until the process ends.

    By default glibc gives every large tensor back to the system when it is freed, which is in every training step, and
    the system hands out each page anew, cleared: at GPT-2-small's shape a tenth of a step on a CPU. For a command, not
    for a library: it holds for the whole process.

    Returns:
        Whether it could be set: there is no such choice in other C libraries.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows
        return False
    kept = [mallopt(option, value) for option, value in KEPT.items()]
    return any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST) and all(kept)
