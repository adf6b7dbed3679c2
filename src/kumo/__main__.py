import sys

from kumo._cli import main

sys.exit(main())
