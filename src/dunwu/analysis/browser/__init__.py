"""The browser of completions on a run's page: `choice` which of them, `entry` one as plain data, `section` its place on the page."""
