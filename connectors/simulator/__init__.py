"""Seeded traffic that looks real: `rows` tells stories, `wrong` what goes wrong, `bulk` is quick; all with the truth."""
