"""What the tests of Connectif share: its samples, and a call."""

from __future__ import annotations

from tests.written_samples import Samples, endpoint

SAMPLES = Samples("connectif")
AT = endpoint("connectif")
OPENED = {"event": "email-opened", "occurred_at": "2026-11-16T09:00:00Z", "contact_id": "c1", "content_id": "m1"}
