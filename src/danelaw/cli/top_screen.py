"""The screen of `danelaw top`: the same words as printed once, drawn anew each second, and a table to walk in."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static

from danelaw.cli import top_page
from danelaw.cli.output import MAX_WIDTH, Output, Symbol, duration, printable
from danelaw.errors import DanelawError

Ask = Callable[[str, Mapping[str, Any]], Any]
_EVERY_SECONDS = 1.0
_MOST_MESSAGES = 20
_TALL = 30
_KEYS = "q quit · p pause · s sort · / filter · enter: what waits, and why · h hooks"


class TopScreen(App[None]):
    """`ask(operation, arguments)` reaches the gateway and may block; `first` is the picture to begin with."""

    CSS = """
    Screen { background: ansi_default; layout: vertical; }
    #panel, #detail, #keys, #next { height: auto; background: ansi_default; color: ansi_default; }
    #table { height: 1fr; background: ansi_default; scrollbar-size: 1 1; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    #filter.open { display: block; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("p", "pause", "pause"),
        Binding("s", "sort", "sort"),
        Binding("slash", "filter", "filter"),
        Binding("h", "hooks", "hooks"),
        Binding("escape", "no_filter", "no filter"),
    ]

    def __init__(
        self, ask: Ask, first: dict[str, Any], *, match: str = "", utf8: bool = True, colour: bool = True
    ) -> None:
        super().__init__(ansi_color=True)
        self._ask = ask
        self.found = first
        self.match = match
        self.order = next(iter(top_page.ORDERS))
        self.paused = False
        self.trouble: DanelawError | None = None
        self.utf8, self._colour = utf8, colour
        self._answered_at = time.monotonic()
        self._asking = False
        self._rows: dict[str, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        """Panel, table, and the lines below it."""
        yield Static(id="panel")
        yield DataTable(id="table", cursor_type="row", zebra_stripes=False)
        yield Static(id="detail")
        yield Input(
            id="filter", placeholder="part of a destination's name; enter shows, escape shows all", compact=True
        )
        yield Static(id="keys")
        yield Static(id="next")

    def on_mount(self) -> None:
        """Draw what is known, and begin to ask."""
        self._table.focus()
        if not self.utf8:
            self._table.styles.scrollbar_size_vertical = 0  # it is drawn with blocks
        self.draw()
        self.set_interval(_EVERY_SECONDS, self.refresh_picture)

    def on_resize(self) -> None:
        """Another width: other breaks."""
        self.call_after_refresh(self.draw)

    # asking

    async def refresh_picture(self) -> None:
        """Ask for a new picture and draw it; what cannot be had is said, and asked for again."""
        if self.paused or self._asking:
            return
        self._asking = True
        try:
            self.found = await asyncio.to_thread(self._ask, "top", {"match": self.match})
            self.trouble = None
            self._answered_at = time.monotonic()
        except DanelawError as error:
            self.trouble = error
        finally:
            self._asking = False
        self.draw()

    # keys

    def action_pause(self) -> None:
        """Stand still, or go on."""
        self.paused = not self.paused
        self.draw()

    def action_hooks(self) -> None:
        """What each hook of the policy does."""
        from danelaw.cli.top_hooks import HooksScreen

        self.push_screen(HooksScreen())

    def action_sort(self) -> None:
        """The next order of destinations."""
        orders = list(top_page.ORDERS)
        self.order = orders[(orders.index(self.order) + 1) % len(orders)]
        self.draw()

    def action_filter(self) -> None:
        """Ask for a part of a name."""
        field = self.query_one("#filter", Input)
        field.value = self.match
        field.add_class("open")
        field.focus()

    async def action_no_filter(self) -> None:
        """All destinations again."""
        await self._filter_by("")

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """The filter is written."""
        await self._filter_by(event.value.strip())

    async def _filter_by(self, match: str) -> None:
        self.query_one("#filter", Input).remove_class("open")
        self._table.focus()
        if match != self.match:
            self.match = match
            paused, self.paused = self.paused, False
            await self.refresh_picture()
            self.paused = paused
        self.draw()

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter: what waits for this destination."""
        row = self._rows.get(str(event.row_key.value))
        if row is not None:
            await self.push_screen(DestinationScreen(self._ask, row, utf8=self.utf8, colour=self._colour))

    def on_data_table_row_highlighted(self) -> None:
        """The cursor moved: another reason, another command."""
        if self.query("#table"):  # one that moved last is told of when the screen is being taken down
            self._draw_below()

    # drawing

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#table", DataTable)

    def printed(self, print_on: Callable[[Output], object]) -> Text:
        """What a page prints, as text of this screen's width."""
        return _printed(print_on, self.size.width, utf8=self.utf8, colour=self._colour)

    def draw(self) -> None:
        """Draw everything from `found`."""
        if not self.query("#panel"):
            return
        self.query_one("#panel", Static).update(self.printed(self._panel))
        self._draw_table()
        self._draw_below()

    def _panel(self, out: Output) -> None:
        if self.trouble is not None:
            ago = duration(time.monotonic() - self._answered_at)
            out.headline(Symbol.STOPPED, f"no answer for {ago}: {self.trouble.reason}; below is how it was before")
        elif self.paused:
            out.headline(
                Symbol.NONE, f"PAUSED at {time.strftime('%H:%M:%S', time.localtime(self.found['time']))}; p goes on"
            )
        top_page.panel(out, self.found, brief=self.size.height < _TALL)

    def _draw_table(self) -> None:
        table = self._table
        rows = sorted(self.found["destinations"]["rows"], key=top_page.ORDERS[self.order])
        chosen, at = self._highlighted(), table.cursor_row
        now = self.found["time"]
        shown = [top_page.cells(row, now) for row in rows]
        widths = _widths(shown, min(self.size.width, MAX_WIDTH))
        self._rows = {top_page.name(row): row for row in rows}
        table.clear(columns=True)
        table.cell_padding = 0
        for number, head in enumerate(("", *top_page.HEADS)):
            table.add_column(head, width=widths[number])
        out = _output(self.size.width, utf8=self.utf8, colour=self._colour)
        for row, cells in zip(rows, shown, strict=True):
            mark = Text.from_ansi(out.symbol(top_page.symbol(row)))
            table.add_row(mark, *(_cell(out, cell, width) for cell, width in zip(cells, widths[1:], strict=True)),
                          key=top_page.name(row))  # fmt: skip
        names = list(self._rows)
        # Who stays at the top sees what comes to the top; who has chosen one keeps it.
        if at and chosen in names:
            table.move_cursor(row=names.index(chosen), scroll=True)

    def _highlighted(self) -> str:
        table = self._table
        if not table.row_count:
            return ""
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)

    def _draw_below(self) -> None:
        row = self._rows.get(self._highlighted())
        self.query_one("#detail", Static).update(self.printed(lambda out: self._detail(out, row)))
        keys = (f"only {self.match!r} · " if self.match else "") + f"by {self.order} · {_KEYS}"
        self.query_one("#keys", Static).update(self.printed(lambda out: _line(out, keys)))
        command = self.trouble.advice if self.trouble is not None and self.trouble.advice else top_page.following(row)
        self.query_one("#next", Static).update(self.printed(lambda out: out.next(command)))

    def _detail(self, out: Output, row: dict[str, Any] | None) -> None:
        if row is None:
            words = f"no destination has {self.match!r} in its name" if self.match else "no destination has work"
        else:
            words = f"{top_page.name(row)}: {top_page.why(row) or 'nothing is wrong'}"
        _line(out, words)


class DestinationScreen(Screen[None]):
    """What waits for one destination, and the explanation of its oldest message."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "back"),
        Binding("q", "app.pop_screen", "back"),
    ]

    def __init__(self, ask: Ask, row: dict[str, Any], *, utf8: bool, colour: bool) -> None:
        super().__init__()
        self._ask = ask
        self._row = row
        self._utf8, self._colour = utf8, colour

    def compose(self) -> ComposeResult:
        """One text to scroll."""
        with VerticalScroll():
            yield Static("asking the gateway …", id="story")
        yield Static("escape or q goes back · arrows scroll", id="back")

    async def on_mount(self) -> None:
        """Ask, and show what is answered."""
        self.query_one(VerticalScroll).focus()
        try:
            story = await asyncio.to_thread(self._story)
        except DanelawError as error:
            reason, advice = error.reason, error.advice or "danelaw doctor"

            def story(out: Output) -> None:
                out.headline(Symbol.STOPPED, reason)
                out.next(advice)

        width = self.app.size.width - 2
        self.query_one("#story", Static).update(_printed(story, width, utf8=self._utf8, colour=self._colour))

    def _story(self) -> Callable[[Output], None]:
        words = top_page.term(self._row)
        page = self._ask("queue.list", {"filter": words, "limit": _MOST_MESSAGES, "after": None, "finished": False})
        first = page["messages"][0]["id"] if page["messages"] else None
        explained = self._ask("explain", {"what": first, "proofs": False}) if first is not None else None

        def story(out: Output) -> None:
            from danelaw.cli.explain_page import show
            from danelaw.cli.queue import show_page

            out.line(f"$ danelaw queue list {words!r} --limit {_MOST_MESSAGES}")
            show_page(out, page, words)
            if explained is not None:
                out.line()
                out.line(f"$ danelaw explain {first}")
                show(out, explained)

        return story


def _output(width: int, *, utf8: bool, colour: bool) -> Output:
    return Output(io.StringIO(), width=max(40, min(width, MAX_WIDTH)), utf8=utf8, colour=colour)


def _printed(print_on: Callable[[Output], object], width: int, *, utf8: bool, colour: bool) -> Text:
    out = _output(width, utf8=utf8, colour=colour)
    print_on(out)
    assert isinstance(out.stream, io.StringIO)
    return Text.from_ansi(out.stream.getvalue().rstrip("\n"))


def _widths(shown: list[list[str]], width: int) -> list[int]:
    """Of the mark and the cells, each with its gap; the reason gets what is left, and long names are cut for it."""
    columns = len(top_page.HEADS)
    natural = [max([len(top_page.HEADS[i]), *(len(cells[i]) for cells in shown)]) + 2 for i in range(columns - 1)]
    least = max(12, min(30, width - 80))
    others = 2 + sum(natural[1:])
    natural[0] = max(min(natural[0], width - others - least), 16)
    return [2, *natural, max(width - others - natural[0] - 1, 10)]


def _line(out: Output, text: str) -> None:
    """One line always: the table above must not jump."""
    out.line(_cut(printable(text), out.width, out.utf8))


def _cell(out: Output, text: str, width: int) -> Text:
    return Text(_cut(out.encodable(printable(text)), width - 1, out.utf8))


def _cut(text: str, width: int, utf8: bool) -> str:
    mark = "…" if utf8 else ".."
    return text if len(text) <= width else text[: max(width - len(mark), 1)] + mark
