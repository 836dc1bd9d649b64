"""Where the API stands."""

PREFIX = "/api/v1"


def operation_path(operation_id: str) -> str:
    """Where an operation is watched."""
    return f"{PREFIX}/operations/{operation_id}"
