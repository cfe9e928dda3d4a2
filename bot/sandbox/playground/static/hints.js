// One line that tells this person what to do next.

import { h } from './dom.js';
import { clockWithSeconds } from './when.js';

// A click puts it into the message box.
const typed = (words) => h('button', { type: 'button', class: 'try', title: 'Put it into the message box', 'data-try': words }, words);
const word = (words) => h('b', {}, words);

// `atHome` is true while the page shows the person's Home tab.
export function hint(state, atHome = false) {
  const { me, modal, people } = state;
  const name = (id) => people.find((person) => person.id === id)?.name ?? id;
  if (modal) return form(modal.view);
  if (state.frozen) return frozen(me);
  if (atHome) return home(state);
  return { asks: asking, approves: approving, audits: auditing }[me.part]?.(state, name) ?? outside(state, name);
}

const FORMS = {
  cancel_order: () => ['This is the form. Fill in an order ID, or several with one a line, and press ', word('Ask for approval'), '. Or first try something that is not an order ID, such as ', word('ord#1'), '.'],
  reject_reason: () => ['Say why, and press ', word('Reject'), '. The requester and the record get the reason.'],
  settle: () => ['Say where you looked and what you saw, and press ', word('Settle'), '. The bot shows it as your statement, never as the gateway’s.'],
};

const form = ({ callback_id: callback, submit }) =>
  FORMS[callback]?.() ?? [submit ? 'Fill in the form and send it.' : 'Read this, and close it.'];

function frozen({ part }) {
  if (part === 'approves') return ['Everything is frozen. Type ', typed('/cancel-order unfreeze'), ' to go on.'];
  return ['Everything is frozen: the bot takes no request and no approval. Choose ', word('ben'), ' at the top to end it.'];
}

const HOME = {
  asks: () => ['This is your Home tab: your own requests, and how the latest ones ended. Press ', word('New request'), ' to ask for something.'],
  approves: () => ['This is your Home tab. What waits for your decision is on it, with the buttons of the card.'],
  audits: () => ['This is your Home tab: it lists the latest requests of everybody, because you may look up all of them.'],
};

const home = ({ me }) => HOME[me.part]?.() ?? [`This is ${me.name}’s Home tab. An outsider sees nothing of other people’s requests here.`];

// The orders that can be cancelled and that nobody has asked for yet.
function freeOrders({ gateway, requests }) {
  const asked = new Set(requests.flatMap(({ orders }) => Object.keys(orders).filter((id) => orders[id] !== 'failed')));
  return gateway.orders.filter(({ id, status }) => ['pending', 'processing'].includes(status) && !asked.has(id)).map(({ id }) => id);
}

// With `several`, a command for several orders at once, if there are some.
function command(state, several = false) {
  const free = freeOrders(state).slice(0, several ? 2 : 1);
  return free.length
    ? ['Type ', typed(`/cancel-order ${free.join(' ')} ordered twice`), free.length > 1 ? ' for several orders at once.' : ' into the message box and press Enter.']
    : ['Add an order in the Gateway pane. Then type ', typed('/cancel-order'), ' and its ID into the message box.'];
}

const otherWays = () => [' Or choose ', word('Cancel an order'), ' at the ', word('+'), ' beside it, or in a message’s menu ', word('⋯'), '.'];

// `who` may press Try now: "Press" for an approver, "Choose ben at the top and press" for others.
function underWay({ gateway }, { may_stop: mayStop }, who) {
  if (mayStop) {
    const down = gateway.switches.down ? ['Switch ', word('Down'), ' off in the Gateway pane. Then wait, or '] : ['Wait, or '];
    return ['The gateway has not settled it yet. ', down, who, word('Try now'), ' on the card. ', word('Stop trying'), ' is in the menu ', word('⋯'), '.'];
  }
  return ['Approved: the bot asks the gateway. Watch its calls in the Gateway pane.'];
}

const UNSETTLED = {
  failed: (what) => `${what} is not cancelled by this request. `,
  unknown: (what) => `Nobody knows yet whether ${what} is cancelled. `,
};

const several = ({ orders }) => Object.keys(orders).length > 1;

// True where an approver can go on with it.
const isUnsettled = ({ state, may_retry: mayRetry }) => state === 'unknown' || (state === 'failed' && mayRetry);

// How a request stands that waits for a Retry. Of several orders each stands for itself, and the title counts them.
const unsettledSo = (request) => (several(request) ? `${request.title}. ` : UNSETTLED[request.state](request.what));

const further = (state) => (state === 'unknown'
  ? [word('Retry'), ' on the card, or ', word('Settle by hand'), ' in its menu ', word('⋯'), '.']
  : [word('Retry'), ' on the card.']);

const DECIDED = ['cancelled', 'refused', 'settled_cancelled', 'settled_not_cancelled'];
const ENDINGS = {
  cancelled: 'the order is cancelled',
  refused: 'the gateway refused to cancel the order',
  rejected: 'an approver rejected it',
  withdrawn: 'it was withdrawn',
  expired: 'not enough approvals in time',
  failed: 'the order is not cancelled by it, and nobody can retry it',
  settled_cancelled: 'an approver stated that the order is cancelled',
  settled_not_cancelled: 'an approver stated that the order is not cancelled',
};

// How a request ended, as the rest of a sentence.
const ended = (request) => (several(request) && DECIDED.includes(request.state) ? request.title.replace(/^\d+ orders: /, '') : ENDINGS[request.state]);

// Somebody whose approval would count.
const approver = ({ people }, { approvers }) => people.find(({ id, part }) => part === 'approves' && !approvers.includes(id))?.name ?? 'ben';

// What the bot does by itself if nobody decides.
function next({ people }, { remind_at: remind, escalate_at: escalate }) {
  const at = Math.min(remind ?? Infinity, escalate ?? Infinity);
  // Nobody waits longer in front of a playground.
  if (at * 1000 > Date.now() + 120_000) return '';
  const ask = `asks ${people.find(({ part }) => part === 'an outsider').name} as well`;
  const what = escalate && (!remind || escalate < remind) ? ask : 'reminds the approvers';
  return ` Or wait: at ${clockWithSeconds(at)} the bot ${what}.`;
}

function asking(state) {
  const last = state.requests.find(({ requester }) => requester === state.me.id);
  const who = `You are ${state.me.name}, who requests cancellations. `;
  switch (last?.state) {
    case undefined:
      return [who, command(state), otherWays()];
    case 'pending':
      return [`Your request for ${last.what} needs an approver. Choose `, word(approver(state, last)), ' at the top and press ',
        word('Approve'), ' on the card in ', word('#payments'), '. Your receipt is under ', word(state.bot.name), ', with a ',
        word('Withdraw'), ' button.', next(state, last)];
    case 'approved':
    case 'sending':
      return underWay(state, last, ['choose ', word('ben'), ' at the top and press ']);
    case 'failed':
    case 'unknown':
      if (!isUnsettled(last)) break;
      return [unsettledSo(last), 'Choose ', word('ben'), ' at the top, then ', further(last.state)];
    case 'cancelled':
      return [several(last) ? 'All of your orders are cancelled.' : `${last.what} is cancelled.`, ' The card’s thread and your direct messages say so. Choose ',
        word('vera'), ' to look it up, or switch on a fault in the Gateway pane and ask again. ', command(state, true)];
    default:
  }
  return [`Your request for ${last.what} has ended: ${ended(last)}. `, command(state, true)];
}

const asksYou = (open, name, bot) => [`${name(open.requester)} asks to cancel ${open.what}. Open `, word('#payments'), ' and press ',
  word('Approve'), ' or ', word('Reject'), ' on the card, or do it under ', word(bot.name), ' on your ', word('Home'), ' tab.'];

function approving(state, name) {
  const { me, requests, audit } = state;
  const unsettled = requests.find(isUnsettled);
  const pending = requests.filter((each) => each.state === 'pending');
  const mine = pending.find(({ requester }) => requester === me.id);
  const open = pending.find(({ requester, approvers }) => requester !== me.id && !approvers.includes(me.id));
  const other = me.name === 'ben' ? 'cleo' : 'ben';
  if (open) return asksYou(open, name, state.bot);
  if (mine && audit.events.some((event) => event.kind === 'click_refused' && event.actor === me.id && event.request === mine.id)) {
    return ['Your own approval does not count. Choose ', word(other), ' at the top.'];
  }
  if (mine) {
    return [`You asked for ${mine.what} yourself. Press `, word('Approve'), ' on the card and see that it does not count. Then choose ', word(other), ' at the top.'];
  }
  if (pending.length) return ['Your approval is counted, and one more is needed. Choose ', word(other), ' at the top.'];
  const waiting = requests.find(({ may_stop: mayStop }) => mayStop);
  if (waiting) return underWay(state, waiting, ['press ']);
  if (unsettled) {
    const own = unsettled.requester === me.id;
    return [unsettledSo(unsettled), own ? ['You asked for it, so choose ', word(other), ' at the top, then '] : 'Choose ', further(unsettled.state)];
  }
  const [last] = requests;
  if (['approved', 'sending'].includes(last?.state)) return underWay(state, last, ['press ']);
  if (last) {
    return [`The request for ${last.what} has ended: ${ended(last)}. Choose `, word('vera'), ' to look it up, or ', word('ann'),
      ' to ask for another one. Or stop everything: ', typed('/cancel-order freeze wrong price list')];
  }
  return [`You are ${me.name}, who approves. There is nothing to approve yet. Choose `, word('ann'),
    ' to ask for something, or ask yourself and try to approve that. ', command(state)];
}

function auditing({ me, requests }) {
  const [order] = Object.keys(requests[0]?.orders ?? {});
  return [`You are ${me.name}, who audits. Type `, typed('/cancel-audit'), ' for the latest requests',
    order && [', ', typed(`/cancel-audit ${order}`), ' for one order’s whole story, ', typed('/cancel-audit @ben state:cancelled'),
      ', or ', typed('/cancel-audit csv'), ' for a file'], '.'];
}

function outside({ me, requests, bot }, name) {
  const open = requests.find(({ state, escalated, approvers }) => state === 'pending' && escalated && !approvers.includes(me.id));
  if (open) return ['Nobody has decided, so you may. ', asksYou(open, name, bot)];
  return [`You are ${me.name}, an outsider. Type `, typed('/cancel-order'), ' or press a button on a card in ', word('#payments'),
    '. The bot refuses, tells only you, and writes the attempt into the record.'];
}
