// The page: it shows the state for one person, and asks for it again at each of the server's events.

import { GatewayPane, showAudit } from './backstage.js';
import { Composer } from './composer.js';
import { Modal, confirmed } from './dialogs.js';
import { focusIn, h, keyed } from './dom.js';
import { showPane } from './frame.js';
import { hint } from './hints.js';
import { avatar, rows } from './messages.js';
import { address, goToFirst, place } from './place.js';
import { fill, holdAtEnd, toEnd } from './scrolling.js';
import { post, stateFor } from './server.js';
import { markRead, unread } from './unread.js';
import { clock } from './when.js';

const $ = (id) => document.getElementById(id);

let state = null;
let shownPlace = '';
let shownThread = '';
const heard = new Map();

function go(channel, ts, kind) {
  location.hash = address(state.me.name, channel, ts, kind);
}

async function act(body) {
  const answer = await post('/act', { person: state.me.id, ...body });
  if (answer.notice && body.do !== 'submit') toast(answer.notice);
  return answer;
}

async function gateway(body) {
  const { notice } = await post('/gateway', body);
  if (notice) toast(notice);
}

let loading = false;
let stale = false;

async function refresh() {
  stale = true;
  if (loading) return;
  loading = true;
  while (stale) {
    stale = false;
    const person = people().find(({ name }) => name === place().name) ?? people()[0];
    const answer = await stateFor(person.id);
    if (answer) state = answer;
    else if (answer === undefined && !state) goToFirst();
  }
  loading = false;
  if (state) show();
}

// Before the first answer only the first person's id is known.
const people = () => state?.people ?? [{ id: `U0${place().name.toUpperCase()}`, name: place().name }];

function toast(words) {
  const box = $('toast');
  box.textContent = words;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.textContent = ''; }, 6000);
}

// --- acts -----------------------------------------------------------------------------------------

async function press(message, button, node) {
  if (node.ariaBusy === 'true') return;
  if (button.confirm && !(await confirmed(button.confirm, names()))) return;
  node.ariaBusy = 'true';
  await act({ do: 'click', channel: message.channel, ts: message.ts, button });
  node.ariaBusy = 'false';
}

const known = () => ({ commands: state?.commands ?? [], people: state?.people ?? [] });
const say = (text, thread) => {
  toEnd($(thread ? 'thread-scroll' : 'scroll'));
  return act({ do: 'type', channel: channelHere().id, text, thread_ts: thread });
};
const composer = new Composer($('composer'), { id: 'say', known, send: (text) => say(text) });
const reply = new Composer($('reply'), {
  id: 'say-in-thread', known: () => ({ ...known(), commands: [] }), send: (text) => say(text, shownThread),
});
const modal = new Modal({
  submit: (id, values) => act({ do: 'submit', modal: id, values }),
  dismiss: (id) => act({ do: 'close', modal: id }),
});
const gatewayPane = new GatewayPane($('gateway'), gateway);

$('hint').addEventListener('click', ({ target }) => {
  if (!target.dataset.try) return;
  showPane('slack');
  composer.fill(target.dataset.try);
});

$('close-thread').addEventListener('click', () => {
  const ts = shownThread;
  go(channelHere().id);
  show();
  const row = $(`m-${ts}`);
  if (row) focusIn(row, 'thread');
});

// --- showing --------------------------------------------------------------------------------------

function names() {
  return {
    me: state.me.id,
    bot: state.bot.id,
    people: new Map([...state.people, state.bot].map(({ id, name }) => [id, name])),
    channels: new Map(state.channels.map(({ id, name }) => [id, name])),
    to: (channel, ts) => address(state.me.name, channel, ts),
  };
}

function channelHere() {
  const { channel } = place();
  return state.channels.find(({ id }) => id === channel)
    ?? (channel?.startsWith('D') && state.channels.find(({ direct }) => direct))
    ?? state.channels.find(({ direct }) => !direct);
}

function show() {
  // Another person was chosen while this answer was under way; their answer is coming.
  if (state.me.name !== place().name && state.people.some(({ name }) => name === place().name)) return;
  showPeople();
  const hinted = h('span', {}, hint(state));
  keyed($('hint'), [{ key: 'hint', sign: hinted.textContent, build: () => hinted }]);
  banner(state.notice || (state.bot.connected ? '' : 'The bot has no connection to Slack at the moment.'));
  showMessages();
  modal.show(state.me.id, state.modal, names());
  gatewayPane.show(state.gateway, $('gateway-state'));
  const { people: known, channels } = names();
  const name = (id) => (known.has(id) ? `@${known.get(id)}` : channels.has(id) ? `#${channels.get(id)}` : id);
  showAudit(state.audit, $('events'), $('proof'), name);
}

function banner(words) {
  const box = $('banner');
  box.hidden = !words;
  if (box.textContent !== words) box.textContent = words;
}

function showPeople() {
  keyed($('people'), state.people.map((person) => ({
    key: person.id,
    sign: String(person.id === state.me.id),
    build: () => h('button', {
      type: 'button', class: 'person', 'aria-pressed': String(person.id === state.me.id), 'data-focus': 'choose',
      onclick: () => {
        const direct = channelHere().direct ? `D${person.id.slice(1)}` : channelHere().id;
        location.hash = address(person.name, direct);
      },
    }, avatar(person.id, names()), h('span', {}, h('b', {}, person.name), h('small', {}, person.part))),
  })));
}

function showMessages() {
  const here = channelHere();
  const { kind, ts } = place();
  const inChannel = state.messages.filter(({ channel }) => channel === here.id);
  const threads = Map.groupBy(inChannel.filter((each) => each.thread_ts), (each) => each.thread_ts);
  const roots = inChannel.filter((each) => !each.thread_ts).sort((a, b) => a.ts - b.ts);
  const target = kind === 'm' ? inChannel.find((each) => each.ts === ts) : null;
  const thread = kind === 't' ? ts : target?.thread_ts;
  const label = here.direct ? state.bot.name : `#${here.name}`;

  $('place').textContent = here.direct ? state.bot.name : `# ${here.name}`;
  document.title = `${label} · ${state.me.name} · Cancel Desk playground`;
  const context = { names: names(), press };
  const spot = `${state.me.id}/${here.id}`;
  const repliesTo = (root) => threads.get(root) ?? [];
  fill($('scroll'), $('messages'), rows(roots, { ...context, openThread: (root) => open(here.id, root) }, repliesTo),
    spot !== shownPlace);
  if (spot !== shownPlace && document.activeElement === document.body) composer.input.focus({ preventScroll: true });
  shownPlace = spot;
  composer.moveTo(spot, `Message ${label}`);
  showThread(here, thread, roots.find((each) => each.ts === thread), repliesTo(thread), context);
  if (target) flash($(`${thread ? 't' : 'm'}-${target.ts}`));

  announce(inChannel);
  markRead(state.me.id, here.id, roots);
  showChannels(here);
}

function open(channel, root) {
  go(channel, root, 't');
  show();
  reply.input.focus();
}

function showThread(here, ts, root, replies, context) {
  $('thread').hidden = !root;
  document.body.dataset.thread = root ? 'open' : '';
  if (!root) {
    shownThread = '';
    return;
  }
  fill($('thread-scroll'), $('replies'), rows([root, ...replies], { ...context, prefix: 't' }), ts !== shownThread);
  shownThread = ts;
  reply.moveTo(`${state.me.id}/${here.id}/${ts}`, 'Reply…');
}

holdAtEnd($('scroll'));
holdAtEnd($('thread-scroll'));

let flashed = '';
function flash(row) {
  if (!row || flashed === location.hash) return;
  flashed = location.hash;
  row.scrollIntoView({ block: 'nearest' });
  row.focus({ preventScroll: true });
  row.classList.add('flash');
}

// Read a new message out to a screen reader, once.
function announce(messages) {
  const last = messages.at(-1);
  const before = heard.get(shownPlace);
  heard.set(shownPlace, last?.ts ?? '0');
  if (before === undefined || !last || last.ts <= before || last.user === state.me.id) return;
  const who = names().people.get(last.user) ?? last.user;
  const whose = last.ephemeral ? ', only visible to you' : '';
  const row = $(`t-${last.ts}`) ?? $(`m-${last.ts}`);
  const words = [...(row?.querySelectorAll('.block') ?? [])].map((block) => block.textContent).join(' ') || last.text;
  $('news').textContent = `${who}, ${clock(last.ts)}${whose}: ${words}`;
}

function showChannels(here) {
  const item = (channel) => {
    const count = unread(state.me.id, channel.id, state.messages);
    const name = channel.direct ? state.bot.name : channel.name;
    const current = channel.id === here.id;
    return {
      key: channel.id,
      sign: JSON.stringify([name, count, current, state.me.name]),
      build: () => h('li', {}, h('a', {
        href: address(state.me.name, channel.id), 'aria-current': current ? 'page' : null, class: count ? 'unread' : '', 'data-focus': 'go',
      }, channel.direct ? avatar(state.bot.id, names()) : h('span', { 'aria-hidden': 'true' }, '# '), h('span', {}, name),
      count > 0 && h('span', { class: 'count' }, count, h('span', { class: 'unseen' }, ' unread')))),
    };
  };
  keyed($('channels'), state.channels.filter(({ direct }) => !direct).map(item));
  keyed($('directs'), state.channels.filter(({ direct }) => direct).map(item));
}

addEventListener('hashchange', () => {
  flashed = '';
  if (state && state.me.name === place().name) show();
  refresh();
});
addEventListener('visibilitychange', () => state && show());
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && shownThread && $('thread').contains(event.target) && !event.defaultPrevented) $('close-thread').click();
});

const events = new EventSource('/events');
events.addEventListener('message', refresh);
events.addEventListener('error', () => banner('The playground has stopped. Start it again to go on.'));

refresh();
