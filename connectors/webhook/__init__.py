"""The alerts' topic as signed webhooks, with a receipt for each alert."""
