// The gateway with its orders, calls and faults, and the record.

import { h, keyed } from './dom.js';
import { clockWithSeconds, inFull } from './when.js';

const STATES = ['pending', 'processing', 'paid', 'completed', 'failed', 'cancelled', 'refunded', 'partially_refunded', 'expired'];

const NEXT = [
  ['', 'as it should be'],
  ['lost', 'lost, after the order is cancelled'],
  ['401', '401 wrong API key'],
  ['409', '409 already cancelled'],
  ['429', '429 too many requests'],
  ['500', '500 internal error'],
  ['page', '502 a proxy’s page'],
];
const TROUBLE = [
  ['removed', 'Remove the bot', '#payments'],
  ['refused', 'Refuse posts', 'everywhere'],
];

export class GatewayPane {
  #unfolded = new Set();

  constructor(parent, act) {
    this.act = act;
    this.switches = h('div', { class: 'switches' });
    this.next = h('div', { class: 'next' });
    this.slack = h('div', { class: 'switches' });
    this.bots = h('div', { class: 'switches bots' });
    this.several = h('div', { hidden: true }, h('h3', {}, 'Bots'), this.bots);
    const gone = h('button', { type: 'button', class: 'button', onclick: () => act('/slack', { delete_card: true }) }, 'Delete the newest card');
    this.orders = h('ul', { class: 'orders' });
    this.calls = h('ol', { class: 'calls', reversed: true });
    this.none = h('p', { class: 'about' }, 'No calls yet. The bot calls the gateway when a request is approved.');
    const input = h('input', {
      type: 'text', 'aria-label': 'ID of a new order', placeholder: 'ord_…', maxlength: 64, autocomplete: 'off', required: true,
      pattern: '[A-Za-z0-9_\\-]+', title: 'Letters, digits, - and _',
    });
    const add = h('form', { class: 'add' }, input, h('button', { class: 'button' }, 'Add order'));
    add.addEventListener('submit', (event) => {
      event.preventDefault();
      act('/gateway', { order: input.value, status: 'pending' });
      input.value = '';
    });
    parent.append(
      this.several,
      h('h3', {}, 'Faults'), this.switches, this.next,
      h('h3', {}, 'Calls'), this.none, this.calls,
      h('h3', {}, 'Orders'), add, this.orders,
      h('h3', {}, 'Trouble in Slack'), this.slack, gone);
  }

  show({ orders, calls, switches, slow_by: seconds, next }, slack, bots, status) {
    status.textContent = switches.down ? 'down' : 'up';
    status.className = `state ${switches.down ? 'bad' : 'good'}`;
    const faults = [
      ['slow', 'Slow', `answers after ${seconds} s`],
      ['down', 'Down', 'refuses connections'],
    ];
    keyed(this.switches, faults.map(([name, label, about]) => ({
      key: name, sign: `${switches[name]} ${about}`,
      build: () => this.#switch(name, label, about, switches[name], () => this.act('/gateway', { fault: name, on: !switches[name] })),
    })));
    keyed(this.next, [{ key: 'next', sign: next, build: () => this.#next(next) }]);
    keyed(this.slack, TROUBLE.map(([name, label, about]) => ({
      key: name, sign: String(slack[name]),
      build: () => this.#switch(name, label, about, slack[name], () => this.act('/slack', { trouble: name, on: !slack[name] })),
    })));
    this.several.hidden = bots.length === 0;
    keyed(this.bots, bots.map(({ number, running, ready, about }) => ({
      key: number, sign: `${running} ${ready} ${about}`,
      build: () => this.#switch(`bot ${number}`, `Bot ${number}`, about, running, () => this.act('/bots', { bot: number, on: !running })),
    })));
    keyed(this.orders, orders.map((order) => ({
      key: order.id, sign: JSON.stringify(order), build: () => this.#order(order),
    })));
    keyed(this.calls, calls.toReversed().map((call) => ({
      key: call.number, sign: JSON.stringify(call), build: () => this.#call(call),
    })));
    this.none.hidden = calls.length > 0;
  }

  #next(next) {
    return h('label', {}, h('b', {}, 'Next answer'), h('select', {
      'data-focus': 'next', class: `state ${next ? 'odd' : ''}`, onchange: ({ target }) => this.act('/gateway', { next: target.value }),
    }, NEXT.map(([name, label]) => h('option', { value: name, selected: name === next }, label))));
  }

  #switch(name, label, about, on, turn) {
    return h('button', {
      type: 'button', class: 'switch', role: 'switch', 'aria-checked': String(on), 'data-focus': name,
      onclick: turn,
    }, h('span', { class: 'knob', 'aria-hidden': 'true' }), h('span', {}, h('b', {}, label), h('small', {}, about)));
  }

  #order({ id, status, effects, cancelled_at: at, reason }) {
    const choice = h('select', {
      'aria-label': `State of ${id}`, 'data-focus': 'state', class: `state ${tone(status)}`,
      onchange: (event) => this.act('/gateway', { order: id, status: event.target.value }),
    }, STATES.map((each) => h('option', { value: each, selected: each === status }, each.replaceAll('_', ' '))));
    const about = at && `cancelled ${effects > 1 ? `${effects} times, last ` : ''}${clockWithSeconds(at)}${reason ? `: ${reason}` : ''}`;
    return h('li', { tabindex: -1 }, h('code', {}, id), choice, about && h('small', { title: inFull(at) }, about));
  }

  #call({ number, at, method, path, headers, body, order, status, answer, effect, progress }) {
    const kind = status === null ? 'odd' : status < 300 ? 'good' : 'bad';
    const fold = h('details', { open: this.#unfolded.has(number) },
      h('summary', { 'data-focus': 'fold' },
        h('span', { class: `state ${kind}` }, status ?? '…'), ' ', h('code', {}, order || method), ' ',
        h('small', {}, `#${number}, ${clockWithSeconds(at)}`),
        h('small', { class: 'progress' }, [progress, effect && 'this call cancelled the order'].filter(Boolean).join('; ') || first(answer))),
      h('pre', { tabindex: 0, 'aria-label': `Call ${number}` },
        `${method} ${path}\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${tidy(body)}`),
      h('pre', { tabindex: 0, 'aria-label': `Answer to call ${number}` },
        status === null ? `(${progress})` : `${status}\n\n${tidy(answer)}`));
    fold.addEventListener('toggle', () => this.#unfolded[fold.open ? 'add' : 'delete'](number));
    return h('li', {}, fold);
  }
}

function tone(status) {
  return { cancelled: 'good', pending: '', processing: '' }[status] ?? 'odd';
}

function tidy(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function first(answer) {
  try {
    return JSON.parse(answer).error.message;
  } catch {
    return '';
  }
}

export function showAudit({ events, intact, seq, proof: words }, list, proof, name) {
  proof.className = `proof ${intact ? 'good' : 'bad'}`;
  // The same words again would make a screen reader repeat them.
  if (proof.textContent !== words) proof.textContent = words;
  keyed(list, events.toReversed().map((event) => ({
    key: event.seq,
    sign: JSON.stringify([event, seq]),
    build: () => h('li', { class: seq && event.seq >= seq ? 'broken' : null },
      h('div', {}, h('b', {}, event.kind.replaceAll('_', ' ')), event.order && h('code', {}, event.order),
        h('span', {}, event.actor === 'bot' ? 'the bot' : name(event.actor))),
      h('small', { class: 'details', title: details(event.data, name) }, `#${event.seq}, ${clockWithSeconds(Date.parse(event.at) / 1000)}`, details(event.data, name)),
      h('small', { class: 'chain', title: `${event.prev} → ${event.hash}` }, `${event.prev.slice(0, 8)} → ${event.hash.slice(0, 8)}`)),
  })));
}

function details(data, name) {
  // The timestamp that is a message's ID means nothing to people.
  const { ts, answer = {}, ...rest } = JSON.parse(data);
  const words = [...written(rest, ['why', 'delivery'], name), ...written(answer, ['outcome', 'reason', 'trouble'], name)];
  return words.length ? `: ${words.join('; ')}` : '';
}

// The fields as text. `codes` are the fields that hold a code, and no text or id.
function written(fields, codes, name) {
  const plain = (key, value) => {
    if (Array.isArray(value)) return value.map((each) => plain(key, each)).join(', ') || 'nobody';
    if (codes.includes(key)) return value.replaceAll('_', ' ');
    return typeof value === 'object' ? JSON.stringify(value) : typeof value === 'string' ? name(value) : value;
  };
  return Object.entries(fields).map(([key, value]) => `${key.replaceAll('_', ' ')}: ${plain(key, value)}`);
}
