// Messages as rows of a list, with day separators, and the way into their threads.

import { drawn } from './blocks.js';
import { h } from './dom.js';
import { shortcutMenu } from './menus.js';
import { mrkdwn } from './mrkdwn.js';
import { clock, dayName, dayOf, inFull, written } from './when.js';

export function avatar(id, names) {
  const name = names.people.get(id) ?? id;
  const tint = [...id].reduce((sum, letter) => (sum * 17 + letter.charCodeAt(0)) % 997, 0) % 6;
  const initials = id === names.bot ? '✕' : name.slice(0, 2);
  return h('span', { class: `avatar ${id === names.bot ? 'app' : `tint-${tint}`}`, 'aria-hidden': 'true' }, initials);
}

// The mark for notifications, which is not the one for messages that were not seen.
export function mark(number, words) {
  return number > 0 && h('span', { class: 'mark' }, h('span', { 'aria-hidden': 'true' }, '@'), number, h('span', { class: 'unseen' }, ` ${words}`));
}

// Items for `keyed`. `context` has names, press(message, element, node, option), the app's shortcuts for messages,
// shortcut(message, callback id) and, outside threads, openThread(ts). Where it is `closed`, nobody can write.
export function rows(messages, context, repliesTo = () => []) {
  const items = [];
  let day = '';
  for (const message of messages) {
    if (dayOf(message.ts) !== day) {
      day = dayOf(message.ts);
      const name = dayName(message.ts);
      items.push({ key: day, sign: name, build: () => h('li', { class: 'day' }, h('span', {}, name)) });
    }
    const replies = repliesTo(message.ts);
    items.push({
      key: message.ts,
      sign: JSON.stringify([context.names.me, message, replies.length, replies.at(-1)?.ts]),
      build: () => row(message, replies, context),
    });
  }
  return items;
}

function row(message, replies, { names, press, shortcuts, shortcut, openThread, closed, prefix = 'm' }) {
  const name = names.people.get(message.user) ?? message.user;
  const time = h('time', { title: inFull(message.ts) }, clock(message.ts));
  const content = message.blocks.length
    ? drawn(message.blocks, { names, press: (...pressed) => press(message, ...pressed) })
    : h('div', { class: 'block' }, mrkdwn(message.text, names));
  const kind = [message.ephemeral && 'private', message.mentioned && 'mentioned'].filter(Boolean).join(' ');
  return h('li', { class: `message ${kind}`, id: `${prefix}-${message.ts}`, tabindex: -1 },
    message.ephemeral && h('p', { class: 'only' }, '👁 Only visible to you'),
    avatar(message.user, names),
    h('div', { class: 'body' },
      h('div', { class: 'head' }, h('b', {}, name), message.user === names.bot && h('span', { class: 'app' }, 'APP'), time),
      content, message.files.map((each) => file(each, names)),
      openThread && replies.length > 0 && threadLink(message, replies, names, openThread)),
    !message.ephemeral && tools([
      openThread && !closed && h('button', {
        type: 'button', class: 'quiet', 'data-focus': 'tool', 'aria-label': `Reply in thread to ${name}, ${clock(message.ts)}`,
        onclick: () => openThread(message.ts),
      }, '💬 Reply in thread'),
      shortcuts.length > 0 && shortcutMenu(shortcuts, (id) => shortcut(message, id), {
        label: `Shortcuts for the message of ${name}, ${clock(message.ts)}`, look: 'quiet',
      })].filter(Boolean)));
}

const tools = (all) => all.length > 0 && h('div', { class: 'tools' }, all);

function file({ id, name, size }, names) {
  return h('a', { class: 'file', href: `/file/${id}?person=${names.me}`, download: name },
    h('span', { 'aria-hidden': 'true' }, '📄'), h('b', {}, name), h('small', {}, `${size.toLocaleString('en')} bytes, download`));
}

function threadLink(message, replies, names, openThread) {
  const count = replies.length === 1 ? '1 reply' : `${replies.length} replies`;
  const last = written(replies.at(-1).ts, '{date_short_pretty} {time}', '');
  const authors = [...new Set(replies.map((reply) => reply.user))];
  return h('button', { type: 'button', class: 'replies', 'data-focus': 'thread', onclick: () => openThread(message.ts) },
    authors.slice(0, 3).map((user) => avatar(user, names)), h('span', {}, count), mark(message.notified, 'new'),
    h('small', {}, `Last reply ${last}`));
}
