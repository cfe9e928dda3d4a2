"""The scopes that manifest.yml asks for, each with its purpose."""

SCOPES = {
    "commands": "the two slash commands, and the shortcuts",
    "chat:write": "cards and receipts, their updates, thread replies, direct messages, and deleting duplicates of them",
    "im:write": "opening the direct message with a requester, for receipts and results",
    "files:write": "the file that a look-up with csv or evidence sends by direct message, and nothing else",
    "channels:history": "finding a message again whose posting was not confirmed, in a public channel",
    "groups:history": "the same in a private channel",
    "im:history": "the same in a direct message",
    "channels:read": "checking that a card can be posted in a channel, and decided there",
    "groups:read": "the same for a private channel",
    "usergroups:read": "who is in a user group that a setting names",
    "users:read": "time zones in look-ups, people of other workspaces, and doctor: does every approver exist",
}
