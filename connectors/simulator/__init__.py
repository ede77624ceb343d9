"""Seeded traffic that looks real: `rows` tells stories, `wrong` what goes wrong; `bulk` is quick. All know the truth."""
