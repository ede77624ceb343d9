"""Seeded, lifelike traffic: `rows` tells stories, `wrong` what goes wrong, `bulk` is quick; each has the truth."""
