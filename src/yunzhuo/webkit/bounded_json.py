"""How JSON is read and written by all our Flask processes."""

from typing import Any

from flask.json.provider import DefaultJSONProvider


class BoundedJSON(DefaultJSONProvider):
    """JSON whose reading ends in ValueError whatever comes in, and whose objects keep their order.

    ``null`` says nothing: APIFlask would take it for an object whose fields were all left out.
    """

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            said = super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        if said is None:
            raise ValueError("nothing is said")
        return said
