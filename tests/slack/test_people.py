"""The people of each role, and the calls to Slack that this needs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.audit import timestamp
from bot.domain.policy import NAMED, Actor, Ground, Members, Membership, People, Role
from bot.sandbox.faults import ApiError, Fault, Hang, broken
from bot.sandbox.slack import LocalSlack
from bot.slack.people import Directory, Profile
from tests.clock import Clock

LEADS = People(frozenset({"U0BEN"}), frozenset({"S1", "S2"}))


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    """Yield a workspace with two groups."""
    async with LocalSlack() as slack:
        slack.space.groups |= {"S1": ["U0CLEO"], "S2": ["U0DORA"]}
        yield slack


@pytest.fixture
def directory(slack: LocalSlack, clock: Clock) -> Directory:
    """Return a directory in which Ben and both groups approve, and everybody may ask."""
    client = AsyncWebClient(slack.bot_token, slack.api_url, retry_handlers=[])
    return Directory(client, monotonic=clock.monotonic, now=clock, roles={Role.APPROVER: LEADS, Role.AUDITOR: People()})


async def membership(directory: Directory, person: str, role: Role = Role.APPROVER) -> Membership:
    """Return a person's membership in one role."""
    actor = await directory.actor(person, "", role)
    return {Role.APPROVER: actor.approver, Role.REQUESTER: actor.requester, Role.AUDITOR: actor.auditor}[role]


async def test_users_and_members_belong(slack: LocalSlack, directory: Directory) -> None:
    """A user id needs no look-up, a member of any group belongs, nobody else does, and no setting means everyone."""
    assert await membership(directory, "U0BEN") is Membership.MEMBER
    assert await membership(directory, "U9", Role.REQUESTER) is Membership.MEMBER
    assert not slack.calls
    assert await membership(directory, "U0DORA") is Membership.MEMBER
    assert await membership(directory, "U9") is Membership.OUTSIDER


async def test_only_the_roles_asked_for_are_looked_up(slack: LocalSlack, directory: Directory) -> None:
    """The other roles stay unchecked, which never means yes."""
    ben = await directory.actor("U0BEN", "ben", Role.APPROVER, Role.AUDITOR)
    assert ben == Actor("U0BEN", "ben", approver=Membership.MEMBER, auditor=Membership.OUTSIDER, ground=NAMED)
    assert await directory.actor("U0BEN", "ben") == Actor("U0BEN", "ben")
    assert not slack.calls


async def test_a_group_that_is_gone_or_empty_is_named_until_it_is_there_again(
    slack: LocalSlack, directory: Directory, clock: Clock
) -> None:
    """Slack's clear refusal is no passing trouble, and neither is a group in which nobody is."""
    slack.space.groups["S1"] = []
    slack.faults.add("usergroups.users.list", broken(503), broken(503))
    await directory.members(Role.APPROVER)
    assert directory.of_no_use == {}
    clock.advance(120)
    del slack.space.groups["S2"]
    await directory.members(Role.APPROVER)
    assert directory.of_no_use == {"S1": "", "S2": "no_such_subteam"}
    # Who is refused for another role must not read of this one's group.
    assert directory.gone(Role.APPROVER) == directory.gone(Role.AUDITOR, Role.APPROVER) == ["S2"]
    assert directory.gone(Role.AUDITOR) == directory.gone(Role.REQUESTER) == []
    clock.advance(120)
    slack.space.groups |= {"S1": ["U0CLEO"], "S2": ["U0DORA"]}
    await directory.members(Role.APPROVER)
    assert directory.of_no_use == {}


@pytest.mark.parametrize("fault", [ApiError("ratelimited"), broken(503), Hang(asyncio.Event())])
async def test_a_failed_look_up_is_neither_yes_nor_no(slack: LocalSlack, directory: Directory, fault: Fault) -> None:
    """Members of a group that can be read belong all the same; for anybody else it is not known."""
    slack.faults.add("usergroups.users.list", fault)  # of one of the two groups, which are read at once
    assert await membership(directory, "U9") is Membership.UNCHECKED
    found = {await membership(directory, person) for person in ("U0CLEO", "U0DORA")}
    assert found == {Membership.UNCHECKED, Membership.MEMBER}


async def test_groups_are_remembered_for_a_minute(slack: LocalSlack, directory: Directory, clock: Clock) -> None:
    """Fifty look-ups at once cost one call for each group; a member who left is noticed a minute later."""
    await asyncio.gather(*(membership(directory, "U0CLEO") for _ in range(50)))
    assert len(slack.calls) == 2
    slack.space.groups["S1"] = []
    clock.advance(59)
    assert await membership(directory, "U0CLEO") is Membership.MEMBER
    clock.advance(1)
    assert await membership(directory, "U0CLEO") is Membership.OUTSIDER


async def test_an_actor_carries_the_ground_on_which_they_may_decide(directory: Directory, clock: Clock) -> None:
    """It is the setting that names them, or the group through which they are an approver and when it was read."""
    grounds = [
        (await directory.actor(person, "", Role.APPROVER)).ground for person in ("U0BEN", "U0CLEO", "U0DORA", "U9")
    ]
    assert grounds == [NAMED, Ground("S1", timestamp(clock())), Ground("S2", timestamp(clock())), None]


async def test_all_members_of_a_role_are_named(slack: LocalSlack, directory: Directory) -> None:
    """Votes are counted among everybody who may approve; where Slack does not say who is in a group, that is known."""
    assert await directory.members(Role.APPROVER) == Members(frozenset({"U0BEN", "U0CLEO", "U0DORA"}))
    assert await directory.members(Role.AUDITOR) == Members()
    assert await directory.members(Role.REQUESTER) == Members(everyone=True)


async def test_members_that_slack_does_not_name_leave_a_gap(slack: LocalSlack, directory: Directory) -> None:
    """The others are known all the same."""
    slack.faults.add("usergroups.users.list", ApiError("internal_error"))
    assert await directory.members(Role.APPROVER) == Members(frozenset({"U0BEN", "U0DORA"}), complete=False)


async def test_a_profile_says_where_somebody_belongs(slack: LocalSlack, directory: Directory) -> None:
    """It has the workspace, the organisation and the time zone; people of other companies have no time zone."""
    space = slack.space
    space.enterprise_id = "E0LOCAL"
    space.add_user("U0ANN", "ann").tz = "Asia/Phnom_Penh"
    space.add_user("W0SIRI", "siri", team_id="T0SISTER", enterprise_id="E0LOCAL")
    space.add_user("U0FRANK", "frank", team_id="T0ELSEWHERE")
    space.add_user("U0GRETA", "greta", team_id="T0OTHER", enterprise_id="E0OTHER")
    space.add_channel("C0SHARED", "shared", ("U0FRANK",), shared=True)
    found = [await directory.profile(person) for person in ("U0ANN", "W0SIRI", "U0FRANK", "U0GRETA")]
    assert found == [
        Profile(team_id="T0LOCAL", enterprise_id="E0LOCAL", time_zone="Asia/Phnom_Penh"),
        Profile(team_id="T0SISTER", enterprise_id="E0LOCAL", time_zone="UTC"),
        # Slack calls Frank no stranger, as he shares a channel with the bot.
        Profile(team_id="T0ELSEWHERE", enterprise_id=None, time_zone="UTC"),
        Profile(team_id="T0OTHER", enterprise_id=None, time_zone="UTC"),
    ]


@pytest.mark.parametrize("fault", [ApiError("user_not_found"), broken(503), Hang(asyncio.Event())])
async def test_a_profile_that_slack_does_not_give_is_none(
    slack: LocalSlack, directory: Directory, fault: Fault
) -> None:
    """Nothing is remembered of a failure, so the next look-up may find the person."""
    slack.space.add_user("U0ANN", "ann")
    slack.faults.add("users.info", fault)
    assert await directory.profile("U0ANN") is None
    assert await directory.profile("U0ANN") is not None


async def test_a_profile_is_remembered_for_five_minutes(slack: LocalSlack, directory: Directory, clock: Clock) -> None:
    """A click does not cost a call to Slack each time."""
    slack.space.add_user("U0ANN", "ann")
    for _ in range(3):
        assert await directory.profile("U0ANN") is not None
    assert len(slack.calls) == 1
    clock.advance(minutes=5)
    await directory.profile("U0ANN")
    assert len(slack.calls) == 2


async def test_groups_are_kept_fresh_in_the_background(slack: LocalSlack, directory: Directory) -> None:
    """After the first round a click finds its groups without waiting for Slack."""
    # Two calls go well; with every later one failing, only the background can have found the members.
    slack.faults.choose = lambda _: ApiError("internal_error") if len(slack.calls) >= 2 else None
    task = asyncio.create_task(directory.keep_fresh())
    await slack.space.changes.wait_for(lambda: len(slack.calls) == 2)
    while await membership(directory, "U0DORA") is not Membership.MEMBER:  # noqa: ASYNC110 -- the look-up is what is tested
        await asyncio.sleep(0)  # until the answers have been read
    calls = len(slack.calls)
    assert await membership(directory, "U0DORA") is Membership.MEMBER
    assert len(slack.calls) == calls
    task.cancel()


async def test_people_who_click_together_share_one_look_up_each(slack: LocalSlack, directory: Directory) -> None:
    """Nobody waits behind somebody else's look-up, and a failed one is not asked again by the next in line."""
    until = asyncio.Event()
    slack.faults.always("usergroups.users.list", Hang(until))
    clicks = [asyncio.create_task(membership(directory, "U9")) for _ in range(5)]
    await slack.space.changes.wait_for(lambda: len(slack.calls) == 2)
    clicks[0].cancel()  # whoever goes away leaves the look-up to the others
    found = await asyncio.gather(*clicks[1:])
    assert found == [Membership.UNCHECKED] * 4
    assert await membership(directory, "U9") is Membership.UNCHECKED
    assert len(slack.calls) == 2
    until.set()


async def test_people_who_arrive_late_wait_no_longer_than_the_look_up(slack: LocalSlack, directory: Directory) -> None:
    """The background's look-up is shared as well: a click in the middle of it costs no call of its own."""
    until = asyncio.Event()
    slack.faults.always("usergroups.users.list", Hang(until))
    slack.faults.always("users.info", Hang(until))
    background = asyncio.create_task(directory.keep_fresh())
    await slack.space.changes.wait_for(lambda: slack.calls)
    click = asyncio.create_task(membership(directory, "U9"))
    await slack.space.changes.wait_for(lambda: len(slack.calls) == 2)  # S1 is under way, so only S2 is asked for
    profiles = [asyncio.create_task(directory.profile("U9")) for _ in range(3)]
    await asyncio.gather(click, *profiles)
    assert sorted(call.method for call in slack.calls).count("users.info") == 1
    background.cancel()
    await directory.aclose()
    until.set()


async def test_the_people_of_an_escalation_are_no_approvers(slack: LocalSlack, clock: Clock) -> None:
    """They have a place and a ground of their own, which count only for a request that is escalated."""
    slack.space.groups["S1"], slack.space.groups["S2"] = ["U0CLEO"], ["U0DORA"]
    client = AsyncWebClient(slack.bot_token, slack.api_url)
    directory = Directory(
        client,
        monotonic=lambda: clock().timestamp(),
        now=clock,
        roles={
            Role.APPROVER: People(users=frozenset({"U0BEN"}), groups=frozenset({"S1"})),
            Role.ESCALATION: People(users=frozenset({"U0ED"}), groups=frozenset({"S2"})),
        },
    )
    found = [await directory.actor(person, "", Role.APPROVER) for person in ("U0BEN", "U0ED", "U0DORA", "U9")]
    member, outsider = Membership.MEMBER, Membership.OUTSIDER
    assert [actor.approver for actor in found] == [member, outsider, outsider, outsider]
    assert [actor.escalation for actor in found[1:]] == [member, member, outsider]
    assert [actor.ground for actor in found] == [
        NAMED,
        Ground(escalated=True),
        Ground("S2", timestamp(clock()), escalated=True),
        None,
    ]
    everybody = await directory.members(Role.APPROVER)
    assert everybody.ids == {"U0BEN", "U0CLEO"}
    assert everybody.escalation == Members(frozenset({"U0ED", "U0DORA"}))


async def test_nobody_is_in_an_escalation_that_the_settings_do_not_name(directory: Directory) -> None:
    """A role that is missing stands for everyone; this one never does."""
    actor = await directory.actor("U9", "", Role.APPROVER)
    assert actor.escalation is Membership.OUTSIDER
    assert (await directory.members(Role.APPROVER)).escalation is None
