"""The one root of every error that edgecls raises on purpose."""


class EdgeclsError(Exception):
    """Something that the user can mend: what went wrong, and how to put it right."""

    def __init__(self, cause: str, fix: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix

    def __str__(self) -> str:
        return "{}\n  fix: {}".format(self.cause, self.fix) if self.fix else self.cause
