// The first screen, which says how to begin.

import { h } from './dom.js';

const typed = (words) => h('button', { type: 'button', class: 'try', title: 'Put it into the message box', 'data-try': words }, words);
const word = (words) => h('b', {}, words);

const STEPS = [
  () => ['You are ', word('ann'), '. Ask for a cancellation: ', typed('/cancel-order ord_1001 ordered twice'), ', or for three orders, of which one is paid already: ',
    typed('/cancel-order ord_1004 ord_1005 ord_1006 ordered twice')],
  () => ['Choose ', word('ben'), ' at the top, and press ', word('Approve'), ' on the card, or under ', word('cancel-desk'), ' on the ', word('Home'), ' tab.'],
  () => ['Watch the gateway’s calls and the audit record. There you can also break things: the gateway, and Slack.'],
  () => ['Choose ', word('vera'), ' and look it up: ', typed('/cancel-audit ord_1001')],
];

// An item for `keyed`.
export function welcome() {
  return {
    key: 'begin',
    sign: '',
    build: () => h('li', { class: 'begin' },
      h('h3', {}, 'Here the real bot runs in a Slack of its own'),
      h('p', {}, 'Nothing leaves this machine. One person asks to cancel an order, another one approves, and the bot cancels it at the gateway.'),
      h('ol', {}, STEPS.map((step) => h('li', {}, step()))),
      h('p', { class: 'about' }, 'A click on a command puts it into the message box. Press Enter to send it.')),
  };
}
