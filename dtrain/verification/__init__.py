"""Does a config give the same bits on any number of ranks, and if not, where does it begin to differ?

recording  what one rank notes after every step: a digest of each tensor, and of one step the arrays
trace      what goes through the layers in one step
jobs       the same run on ranks that are threads, or processes
compare    from two jobs' notes to the first difference
outcome    what is found, as objects and as a table for people
verify     the two passes: digests first, then up to the first step that differs
"""

from .jobs import record_rank
from .outcome import Difference, Outcome, Verification
from .verify import verify_config

__all__ = ["Difference", "Outcome", "Verification", "record_rank", "verify_config"]
