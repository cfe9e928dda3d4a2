// The newest message that each person has seen in each channel, kept in the browser.

const seen = JSON.parse(localStorage.getItem('reads') ?? '{}');

// Remember that this person has seen these messages of a channel.
export function markRead(person, channel, messages) {
  if (document.hidden || !messages.length) return;
  const mine = (seen[person] ??= {});
  if (mine[channel] === messages.at(-1).ts) return;
  mine[channel] = messages.at(-1).ts;
  localStorage.setItem('reads', JSON.stringify(seen));
}

// The number of messages in this channel, outside threads, that this person has not seen.
export function unread(person, channel, messages) {
  const last = Number(seen[person]?.[channel] ?? 0);
  return messages.filter((each) =>
    each.channel === channel && !each.thread_ts && each.user !== person && Number(each.ts) > last).length;
}
