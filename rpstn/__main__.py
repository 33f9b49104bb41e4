"""`python -m rpstn` is `rpstn`."""

from rpstn.cli import main

raise SystemExit(main())
