// The page: it shows the state for one person, and asks for it again at each of the server's events.

import { GatewayPane, showAudit } from './backstage.js';
import { welcome } from './begin.js';
import { Composer } from './composer.js';
import { Modal, confirmed } from './dialogs.js';
import { focusIn, h, keyed } from './dom.js';
import { entered } from './fields.js';
import { showPane } from './frame.js';
import { hint } from './hints.js';
import { atHome, showHome } from './home.js';
import { avatar, mark, rows } from './messages.js';
import { address, goToFirst, place } from './place.js';
import { fill, holdAtEnd, toEnd } from './scrolling.js';
import { post, stateFor } from './server.js';
import { markRead, notified, unread } from './unread.js';
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

async function backstage(path, body) {
  const { notice } = await post(path, body);
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

async function use(element, node, body) {
  if (node.ariaBusy === 'true') return;
  if (element.confirm && !(await confirmed(element.confirm, names()))) return;
  node.ariaBusy = 'true';
  await act(body());
  node.ariaBusy = 'false';
}

function press(message, button, node, option) {
  const pressed = option ? { do: 'choose', menu: button, option: option.value } : { do: 'click', button };
  return use(button, node, () => ({ channel: message.channel, ts: message.ts, ...pressed }));
}

const pressHome = (element, node, option) => use(element, node, () => ({
  do: 'use_home', element: option ? { ...element, selected_option: option } : element, values: entered($('home')),
}));
const shortcut = ({ channel, ts }, id) => act({ do: 'shortcut', callback_id: id, channel, ts });
const shortcuts = (type) => state.app.shortcuts.filter((each) => each.type === type);

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
const gatewayPane = new GatewayPane($('gateway'), backstage);

addEventListener('click', ({ target }) => {
  if (!target.dataset?.try) return;
  showPane('slack');
  // Nobody can write to the bot in its direct messages.
  if (channelHere().direct) {
    go(state.channels.find(({ direct }) => !direct).id);
    show();
  }
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
    conversations: state.channels.map(({ id, name, direct }) => ({ id, direct, name: direct ? state.bot.name : name })),
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
  const hinted = h('span', {}, hint(state, atHome(state.app, channelHere())));
  keyed($('hint'), [{ key: 'hint', sign: hinted.textContent, build: () => hinted }]);
  banner(state.notice || (state.bot.connected ? '' : state.bots.length ? 'No bot is ready at the moment.' : 'The bot has no connection to Slack at the moment.'));
  composer.offerShortcuts(shortcuts('global'), (id) => act({ do: 'shortcut', callback_id: id }));
  showMessages();
  modal.show(state.me.id, state.modal, names());
  gatewayPane.show(state.gateway, state.slack, state.bots, $('gateway-state'));
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
  const items = state.people.map((person) => ({ person, count: notified(person.id, state.notifications).length }));
  keyed($('people'), items.map(({ person, count }) => ({
    key: person.id,
    sign: `${person.id === state.me.id} ${count}`,
    build: () => h('button', {
      type: 'button', class: 'person', 'aria-pressed': String(person.id === state.me.id), 'data-focus': 'choose',
      onclick: () => {
        const direct = channelHere().direct ? `D${person.id.slice(1)}` : channelHere().id;
        location.hash = address(person.name, direct, '', channelHere().direct ? place().kind : '');
      },
    }, avatar(person.id, names()), h('span', {}, h('b', {}, person.name), h('small', {}, person.part)), mark(count, count === 1 ? 'notification' : 'notifications')),
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
  const mentions = new Set(state.notifications.filter(({ user, mention }) => mention && user === state.me.id).map(({ ts }) => ts));
  for (const each of inChannel) {
    each.mentioned = mentions.has(each.ts);
    each.notified = notified(state.me.id, state.notifications, here.id, each.ts).length;
  }
  const home = showHome(state, here, { names: names(), press: pressHome, tell: (tab) => act({ do: 'home', tab }) });
  const context = { names: names(), press, shortcuts: shortcuts('message'), shortcut, closed: here.direct };
  const spot = `${state.me.id}/${here.id}`;
  const repliesTo = (root) => threads.get(root) ?? [];
  const shown = rows(roots, { ...context, openThread: (root) => open(here.id, root) }, repliesTo);
  fill($('scroll'), $('messages'), state.messages.length || here.direct ? shown : [welcome()],
    spot !== shownPlace);
  if (spot !== shownPlace && document.activeElement === document.body) composer.input.focus({ preventScroll: true });
  shownPlace = spot;
  composer.moveTo(spot, `Message ${label}`, here.direct);
  showThread(here, thread, roots.find((each) => each.ts === thread), repliesTo(thread), context);
  if (target) flash($(`${thread ? 't' : 'm'}-${target.ts}`));

  if (!home) {
    announce(inChannel);
    markRead(state.me.id, here.id, roots);
  }
  if (shownThread) markRead(state.me.id, `${here.id}/${shownThread}`, repliesTo(shownThread));
  showChannels(here);
  showPeople();
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
  reply.moveTo(`${state.me.id}/${here.id}/${ts}`, 'Reply…', here.direct);
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
    const marked = notified(state.me.id, state.notifications, channel.id).length;
    const name = channel.direct ? state.bot.name : channel.name;
    const current = channel.id === here.id;
    return {
      key: channel.id,
      sign: JSON.stringify([name, count, marked, current, state.me.name]),
      build: () => h('li', {}, h('a', {
        href: address(state.me.name, channel.id), 'aria-current': current ? 'page' : null, class: count ? 'unread' : '', 'data-focus': 'go',
      }, channel.direct ? avatar(state.bot.id, names()) : h('span', { 'aria-hidden': 'true' }, '# '), h('span', {}, name),
      count > 0 && !channel.direct && h('span', { class: 'count' }, count, h('span', { class: 'unseen' }, ' unread')),
      mark(marked, marked === 1 ? 'notification' : 'notifications'))),
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
