"""Rows that Brevo exported are the events of its webhooks."""

from __future__ import annotations

from pipeline import rfc3339
from tests.unit.brevo_world import BREVO, body, endpoint, event, sample


def test_a_row_of_an_export_is_the_event_of_its_webhook() -> None:
    item = sample("email_transactional-clicked.json")
    cells = {
        "Event": "clicks", "Email": item["email"], "Message ID": item["message-id"], "ts_epoch": str(item["ts_epoch"]),
        "Link": item["link"], "Subject": item["subject"], "Template Id": str(item["template_id"]),
        "Contact ID": str(item["contact_id"]), "Sending IP": item["sending_ip"], "Reason": " ",
        "x-mailin-custom": item["X-Mailin-custom"],
    }  # fmt: skip
    assert body(dict(BREVO.row(cells, endpoint()))) == body(item)


def test_a_column_that_the_endpoint_names_is_found_by_that_name() -> None:
    at = endpoint(None, "Europe/Paris", event="Status", occurred_at="When", email="E-mail", campaign_id="Campaign ID")
    cells = {"Status": "hardBounces", "When": "2026-11-16 01:00:00", "E-mail": "A@b.example", "Campaign ID": "c9"}
    fields = event(dict(BREVO.row(cells, at)), at)
    assert (fields["type"], fields["profile_id"], fields["campaign_id"]) == ("email_hard_bounced", "a@b.example", "c9")
    assert rfc3339.text(fields["occurred_at"]) == "2026-11-16T00:00:00Z"


def test_a_campaigns_column_may_be_spelled_out() -> None:
    cells = {"event": "clicks", "email": "a@b.example", "Campaign ID": "c9", "ts_event": "1794787200"}
    assert event(dict(BREVO.row(cells, endpoint())))["campaign_id"] == "c9"


def test_a_row_of_sms_has_its_own_message_id() -> None:
    cells = {"msg_status": "sent", "to": "33", "Message Id": "12", "date": "2026-11-16 01:00:00", "type": "marketing"}
    assert BREVO.row(cells, endpoint())["messageId"] == "12"
