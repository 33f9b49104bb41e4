"""The one error a user can mend."""


class UserError(ValueError):
    """Something outside the program is wrong: a path, a file, a value.

    The message says three things: which file or value, why it cannot be used, and what to do. The command line
    prints it as it is, without a traceback. Programming errors are ordinary Python exceptions and keep theirs.
    """


class OutOfRange(UserError, IndexError):
    """A number of something that is not there. An IndexError, too, as Python's sequences raise it."""
