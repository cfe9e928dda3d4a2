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

// The notifications of this person that they have not seen, in this channel or, with `thread`, in one of its threads.
export function notified(person, notifications, channel, thread) {
  return notifications.filter((each) => each.user === person
    && (!channel || each.channel === channel)
    && (!thread || each.thread_ts === thread)
    && Number(each.ts) > Number(seen[person]?.[each.thread_ts ? `${each.channel}/${each.thread_ts}` : each.channel] ?? 0));
}

// The number of messages in this channel, outside threads, that this person has not seen.
export function unread(person, channel, messages) {
  const last = Number(seen[person]?.[channel] ?? 0);
  return messages.filter((each) =>
    each.channel === channel && !each.thread_ts && each.user !== person && Number(each.ts) > last).length;
}
