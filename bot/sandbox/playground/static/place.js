// The address of what the page shows: #ann/C0PAYMENTS says who looks at which channel. Behind it may follow /t/<ts>
// for a thread, /m/<ts> for a message, or /home for the app's Home tab beside its direct messages.

const FIRST = 'ann';

export function place() {
  const [name, channel, kind, ts] = decodeURIComponent(location.hash.slice(1)).split('/');
  return { name: name || FIRST, channel, kind, ts };
}

export function address(name, channel, ts, kind = 'm') {
  return `#${name}/${channel}${kind === 'home' ? '/home' : ts ? `/${kind}/${ts}` : ''}`;
}

export function goToFirst() {
  location.hash = FIRST;
}
