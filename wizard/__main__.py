"""`python -m wizard` is the command `wizard`."""

import sys

from wizard.cli import main

sys.exit(main())
