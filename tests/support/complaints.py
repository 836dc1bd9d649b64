"""What a browser says against a page."""

from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Page

_FAILED_ANSWER = "Failed to load resource"


@dataclass
class Complaints:
    """Errors of scripts and what the Content-Security-Policy forbade; and, apart, answers that were no success."""

    errors: list[str] = field(default_factory=list)
    refused_answers: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Take note from now on."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            is_answer = message.text.startswith(_FAILED_ANSWER)
            (self.refused_answers if is_answer else self.errors).append(message.text)
