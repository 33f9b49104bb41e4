"""`python -m rpstn` is `rpstn`."""

from rpstn.cli.main import main

raise SystemExit(main())
