"""The command `tally`: one module per command or group of commands; `app` puts them together."""
