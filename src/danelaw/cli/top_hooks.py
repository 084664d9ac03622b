"""The screen of `danelaw top` about the hooks of a policy: how often each was called, how long it took, what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from danelaw.cli.policy_status import show_hooks

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.cli.top_screen import TopScreen

_EVERY_SECONDS = 1.0


class HooksScreen(Screen[None]):
    """The hooks as the picture of the moment has them, drawn anew each second."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back"),
        Binding("q", "app.pop_screen", "back"),
        Binding("h", "app.pop_screen", "back"),
    ]

    def compose(self) -> ComposeResult:
        """One text to scroll."""
        with VerticalScroll():
            yield Static(id="hooks")
        yield Static("escape or q goes back · arrows scroll", id="back")

    def on_mount(self) -> None:
        """Draw, and go on drawing."""
        self.query_one(VerticalScroll).focus()
        self.draw()
        self.set_interval(_EVERY_SECONDS, self.draw)

    def draw(self) -> None:
        """Draw what is known now."""
        app = cast("TopScreen", self.app)
        self.query_one("#hooks", Static).update(app.printed(self._page))

    def _page(self, out: Output) -> None:
        hooks = cast("TopScreen", self.app).found["policy"]["hooks"]
        if hooks:
            show_hooks(out, hooks)
        else:
            out.line("There is no policy, or it has no hooks.")
        out.next("danelaw policy status" if hooks else "danelaw policy check DIRECTORY")
