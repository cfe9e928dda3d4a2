// Slack's mrkdwn: escapes, mentions, links, dates, code, bold, italics, strike, quotes and lists.
// Source: https://docs.slack.dev/messaging/formatting-message-text

import { h } from './dom.js';
import { capital, inFull, written } from './when.js';

const unescape = (text) => text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: '<', gt: '>', amp: '&' })[name]);

// Text in angle brackets, code, or text between two equal marks that touch it.
const MARKED =
  /<([^<>\n]+)>|`([^`\n]+)`|(?<![\p{L}\p{N}*_~])([*_~])(?!\s|\3)((?:(?!\3).)*?(?<=\S))\3(?![\p{L}\p{N}])/gu;
const TAGS = { '*': 'strong', _: 'em', '~': 's' };

export function mrkdwn(text, names) {
  return text.split(/\n?```\n?/).flatMap((part, index) => (index % 2 ? h('pre', {}, unescape(part)) : lines(part, names)));
}

const KINDS = [
  ['quote', /^(?:>|&gt;) ?/, (rows, names) => h('blockquote', {}, lines(rows.join('\n'), names))],
  ['bullets', /^ *[•◦-] /, (rows, names) => h('ul', {}, rows.map((row) => h('li', {}, inline(row, names))))],
  ['numbers', /^ *\d+\. /, (rows, names) => h('ol', {}, rows.map((row) => h('li', {}, inline(row, names))))],
];

function lines(text, names) {
  const groups = [];
  for (const line of text === '' ? [] : text.split('\n')) {
    const kind = KINDS.find(([, mark]) => mark.test(line)) ?? ['words', /^/];
    const row = line.replace(kind[1], '');
    const last = groups.at(-1);
    if (last?.kind[0] === kind[0]) last.rows.push(row);
    else groups.push({ kind, rows: [row] });
  }
  return groups.map(({ kind, rows }) =>
    kind[2] ? kind[2](rows, names) : h('div', { class: 'text' }, inline(rows.join('\n'), names)));
}

export function inline(text, names) {
  const found = [];
  let end = 0;
  for (const match of text.matchAll(MARKED)) {
    found.push(unescape(text.slice(end, match.index)));
    const [whole, bracketed, code, mark, marked] = match;
    if (bracketed) found.push(special(bracketed, names, /(^|\n)$/.test(text.slice(0, match.index))));
    else if (code) found.push(h('code', {}, unescape(code)));
    else found.push(h(TAGS[mark], {}, inline(marked, names)));
    end = match.index + whole.length;
  }
  found.push(unescape(text.slice(end)));
  return found;
}

function special(inside, names, first) {
  const [, what, label] = inside.match(/^([^|]*)\|?(.*)$/);
  if (/^@[UW]/.test(what)) return mention(what.slice(1), names);
  if (/^#C/.test(what)) return channel(what.slice(1), names, label);
  if (what.startsWith('!date^')) {
    const [, timestamp, form, address] = what.split('^');
    const time = moment(timestamp, unescape(form ?? ''), unescape(label), first);
    return address ? link(address, time, names) : time;
  }
  if (what.startsWith('!')) return h('span', { class: 'mention' }, unescape(label) || `@${what.slice(1)}`);
  return link(unescape(what), unescape(label || what), names);
}

export function mention(id, names) {
  const mine = id === names.me ? ' mine' : '';
  return h('span', { class: `mention${mine}` }, `@${names.people.get(id) ?? id}`);
}

export function channel(id, names, label = '') {
  return h('a', { class: 'mention', href: names.to(id) }, `#${names.channels.get(id) ?? (label || id)}`);
}

export function moment(timestamp, form, fallback, beginsLine = false) {
  const words = written(timestamp, form, fallback);
  return h('time', { title: inFull(timestamp) }, beginsLine ? capital(words) : words);
}

// A link to a message of this workspace stays on this page; other addresses open in a tab of their own.
export function link(address, label, names) {
  const here = address.match(/^https:\/\/local\.slack\.com\/archives\/(\w+)\/p(\d+)(\d{6})(?:\?thread_ts=[\d.]+&cid=\w+)?$/);
  if (here) return h('a', { href: names.to(here[1], `${here[2]}.${here[3]}`) }, label);
  if (!/^(https?:|mailto:)/.test(address)) return h('span', {}, label);
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, label);
}
