import sys

from kumo._command.main import main

sys.exit(main())
