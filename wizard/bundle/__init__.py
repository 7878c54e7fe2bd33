"""What the user takes home: a folder that works offline and says what it is.

Covers: packing (manifest last), verifying, folding in a device's receipt, the zip.
Does not cover: which candidate to pack (compare) and how it was made (strategies).
"""

from wizard.bundle.pack import pack, zip_of
from wizard.bundle.verify import Verified, verify

__all__ = ["Verified", "pack", "verify", "zip_of"]
