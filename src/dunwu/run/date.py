"""The date that chat templates write (`strftime_now`): one for a whole run, so that its prompts stay the same past midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

_frozen: date | None = None


def freeze_date(day: str | None = None) -> str:
    """Make templates write ``day`` from now on (ISO, such as 2026-11-27; ``None``: today, UTC). Returns it."""
    global _frozen
    _frozen = date.fromisoformat(day) if day else _today()
    return _frozen.isoformat()


def run_date() -> str:
    """The date that templates write, in ISO form; today if none is frozen."""
    return (_frozen or _today()).isoformat()


def strftime_now(form: str) -> str:
    """The function that chat templates call for the date; the time is midnight."""
    return datetime.combine(date.fromisoformat(run_date()), time()).strftime(form)


def _today() -> date:
    return datetime.now(UTC).date()
