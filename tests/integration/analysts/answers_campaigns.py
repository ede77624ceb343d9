"""The answers under "Campaigns"."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from tests.integration.analysts.answering import Given, Sums, answers, by, in_channels, persons, within
from tests.integration.analysts.world import Happened, Rows, World, share


@answers("rates-by-campaign")
def rates_by_campaign(world: World, given: Given) -> Rows:
    groups = by(lambda one: (one.campaign, one.channel), in_channels(world, given))
    return [(*group, *Sums.of(groups[group]).rates()) for group in sorted(groups)]


@answers("rates-by-channel")
def rates_by_channel(world: World, given: Given) -> Rows:
    groups = by(lambda one: one.channel, in_channels(world, given))
    return [(channel, *Sums.of(groups[channel]).rates()) for channel in sorted(groups)]


@answers("best-campaigns")
def best_campaigns(world: World, given: Given) -> Rows:
    found = []
    groups = by(lambda one: (one.campaign, one.channel), (one for one in world.of(given["account"]) if one.campaign))
    for group, happened in groups.items():
        n = Sums.of(happened).counts
        if n["delivered"] >= given["times"]:
            rates = (
                share(n["unique_open"], n["delivered"]),
                share(n["unique_click"], n["delivered"]),
                share(n["unique_click"], n["unique_open"]),
            )
            found.append((*group, n["delivered"], n["unique_open"], n["unique_click"], *rates))
    return sorted(found, key=lambda row: (-row[6], row[0], row[1]))[:10]


@answers("campaign-by-day")
def campaign_by_day(world: World, given: Given) -> Rows:
    groups = by(
        lambda one: one.at.date(), (one for one in world.of(given["account"]) if one.campaign == given["campaign"])
    )
    found: Rows = []
    so_far = 0
    for day in sorted(groups):
        n = Sums.of(groups[day]).counts
        so_far += n["unique_open"]
        found.append((day, n["sent"], n["delivered"], n["unique_open"], n["unique_click"], so_far))
    return found


@answers("funnel")
def funnel(world: World, given: Given) -> Rows:
    stages = ("sent", "delivered", "opened", "clicked", "purchased")
    reached: Counter[str] = Counter()
    for happened in world.people(given["account"]).values():
        for stage in stages:
            if not _did(stage, happened, given):
                break
            reached[stage] += 1
    before = ("sent", *stages)
    return [
        (stage, reached[stage], share(reached[stage], reached["sent"]), share(reached[stage], reached[former]))
        for stage, former in zip(stages, before, strict=False)
    ]


def _did(stage: str, happened: list[Happened], given: Given) -> bool:
    verbs = {one.verb for one in happened if one.campaign == given["campaign"]}
    if stage == "opened":
        return bool(verbs & {"opened", "clicked"})
    if stage != "purchased":
        return stage in verbs
    first = min(one.at for one in happened if one.campaign == given["campaign"] and one.verb == "clicked")
    bought = [one.at for one in happened if one.type == "crm_purchase"]
    return any(first <= at <= first + timedelta(days=given["days"]) for at in bought)


@answers("most-clicked-links")
def most_clicked_links(world: World, given: Given) -> Rows:
    clicks = [one for one in world.of(given["account"]) if one.verb == "clicked" and within(one.at, given)]
    found = [
        (link, len(of_link), persons(of_link), len({one.campaign for one in of_link}))
        for link, of_link in by(lambda one: one.link, clicks).items()
        if link
    ]
    return sorted(found, key=lambda row: (-row[1], row[0]))[:20]


@answers("unsubscribes-by-campaign")
def unsubscribes_by_campaign(world: World, given: Given) -> Rows:
    found = []
    for group, happened in by(lambda one: (one.campaign, one.channel), in_channels(world, given)).items():
        n = Sums.of(happened).counts
        gone, angry, delivered = n["unsubscribed"], n["complained"], n["delivered"]
        if gone or angry:
            row = (*group, delivered, gone, angry, share(1000 * gone, delivered), share(1000 * angry, delivered))
            found.append(row)
    return sorted(found, key=lambda row: (-row[3], -row[4], row[0], row[1]))


@answers("bounce-reasons")
def bounce_reasons(world: World, given: Given) -> Rows:
    verbs = ("soft_bounced", "hard_bounced", "undelivered", "failed", "suppressed")
    bounces = [one for one in world.of(given["account"]) if one.verb in verbs and within(one.at, given)]
    in_channel = Counter(one.channel for one in bounces)
    groups = by(lambda one: (one.channel, one.verb, one.properties.get("reason", "").strip() or "not said"), bounces)
    found = [
        (*group, len(happened), persons(happened), len(happened) / in_channel[group[0]])
        for group, happened in groups.items()
    ]
    return sorted(found, key=lambda row: (-row[3], row[:3]))


@answers("bounces-by-domain")
def bounces_by_domain(world: World, given: Given) -> Rows:
    sheets = {who: sheet for verdict in world.verdicts.values() for who, sheet in verdict.contacts.items()}
    types = ("email_delivered", "email_soft_bounced", "email_hard_bounced")
    mails = [one for one in world.of(given["account"]) if one.person and one.type in types and within(one.at, given)]
    found = []
    for domain, happened in by(
        lambda one: sheets[one.account, one.person].email.rpartition("@")[2].lower(), mails
    ).items():
        delivered = sum(one.verb == "delivered" for one in happened)
        bounced = len(happened) - delivered
        found.append((domain, persons(happened), delivered, bounced, bounced / len(happened)))
    return sorted(found, key=lambda row: (-row[3], row[0]))


@answers("machine-opens")
def machine_opens(world: World, given: Given) -> Rows:
    opens = [
        one
        for one in world.of(given["account"])
        if one.type in ("email_opened", "email_proxy_opened") and within(one.at, given)
    ]
    found = []
    for campaign, happened in sorted(by(lambda one: one.campaign, opens).items()):
        machines = sum(one.verb == "proxy_opened" for one in happened)
        found.append((campaign, len(happened) - machines, machines, machines / len(happened)))
    return found


@answers("vendor-uniques")
def vendor_uniques(world: World, given: Given) -> Rows:
    found = []
    events = [one for one in world.of(given["account"]) if one.channel]
    for (campaign, channel), happened in by(lambda one: (one.campaign, one.channel), events).items():
        n = Sums.of(happened).counts
        ours = n["unique_open"], n["unique_click" if channel == "viber" else "unique_link_click"]
        theirs = n["unique_opened"], n["unique_clicked"]
        if any(theirs):
            opens = ours[0], theirs[0], ours[0] - theirs[0]
            found.append((campaign, channel, *opens, ours[1], theirs[1], ours[1] - theirs[1]))
    return sorted(found, key=lambda row: (-abs(row[4]) - abs(row[7]), row[0], row[1]))


_TOUCHES = ("opened", "unique_opened", "proxy_opened", "clicked", "unique_clicked")


@answers("vendor-uniques-why")
def vendor_uniques_why(world: World, given: Given) -> Rows:
    events = [one for one in world.of(given["account"]) if one.verb in _TOUCHES]
    reports = {(one.campaign, one.channel) for one in events if one.verb.startswith("unique_")}
    parts: Counter[tuple[str, ...]] = Counter()
    for unique, happened in by(_unique, events).items():
        parts += _parts(happened) if unique else Counter(_part(one, "incomplete") for one in happened if _reports(one))
    no_part = ("raw_missing", "machine")
    less = ("repeated", "merged", "incomplete", "other_campaign, theirs")
    found: dict[tuple[str, ...], list[int]] = {}
    for (*place, name), n in parts.items():
        if (place[0], place[1]) in reports:
            row = found.setdefault((*place, name.partition(",")[0]), [0, 0])
            row[0] += 0 if name in no_part else -n if name in less else n
            row[1] = n if name in no_part else abs(row[0])
    return sorted((*key, *numbers) for key, numbers in found.items() if any(numbers))


def _parts(happened: list[Happened]) -> Counter[tuple[str, ...]]:
    """Of one person's unique."""
    found: Counter[tuple[str, ...]] = Counter()
    counted = [one for one in happened if one.uniques & {_counts_as(one)}]
    reports = sorted((one for one in happened if _reports(one)), key=lambda one: (one.at, one.campaign, one.profile))
    for n, one in enumerate(reports):
        if one.profile in {other.profile for other in reports[:n]}:
            found[_part(one, "repeated")] += 1
        elif n:
            found[_part(one, "merged")] += 1
    if reports and not any(one.verb in ("opened", "clicked") for one in happened):
        is_machine = any(one.verb == "proxy_opened" for one in happened)
        found[_part(reports[0], "machine" if is_machine else "raw_missing")] += 1
    for one in counted:
        found[_part(one, "other_campaign, ours" if reports else "unreported")] += 1
    if reports:
        found[_part(reports[0], "other_campaign, theirs")] += 1
    return found


def _reports(one: Happened) -> bool:
    return one.verb.startswith("unique_")


def _part(one: Happened, name: str) -> tuple[str, ...]:
    return one.campaign, one.channel, "click" if one.verb.endswith("clicked") else "open", name


def _counts_as(one: Happened) -> str:
    if not one.verb.endswith("clicked"):
        return "unique_open"
    return "unique_click" if one.channel == "viber" else "unique_link_click"


def _unique(one: Happened) -> tuple[str, ...] | None:
    """What it is about: person, message, link; None where it does not say."""
    counts_as = _counts_as(one)
    link = one.link if counts_as == "unique_link_click" else counts_as
    return (one.person, one.channel, one.about, counts_as, link) if one.person and one.about and link else None


@answers("repeat-clickers")
def repeat_clickers(world: World, given: Given) -> Rows:
    clicks = [
        one for one in world.of(given["account"]) if one.verb == "clicked" and one.person and within(one.at, given)
    ]
    found = []
    for group, happened in by(lambda one: (one.person, one.campaign), clicks).items():
        times = [one.at for one in happened]
        if len(happened) >= given["times"]:
            links = {one.link for one in happened} - {""}
            found.append((*group, len(happened), len(links), min(times), max(times)))
    return sorted(found, key=lambda row: (-row[2], row[0], row[1]))
