// The app's Home tab, beside the direct messages with the app.

import { drawn } from './blocks.js';
import { h, keyed } from './dom.js';
import { field } from './fields.js';
import { address, place } from './place.js';

const $ = (id) => document.getElementById(id);
const EMPTY = [{ key: 'empty', sign: '', build: () => h('p', { class: 'about' }, 'The app has published nothing here yet.') }];

let opened = '';

// Return true where the page's address is that of the Home tab.
export const atHome = (app, here) => here.direct && app.home_tab && place().kind === 'home';

// Show the tabs of this place if the app has a Home tab, and that tab if it is the one to see: then resolve to true.
// `tell(tab)` is called each time a person opens a tab, and `press(element, node, option)` as in messages.
export function showHome({ me, app }, here, { names, press, tell }) {
  const tabs = here.direct && app.home_tab;
  const shown = atHome(app, here);
  const tab = shown ? 'home' : 'messages';
  $('tabs').hidden = !tabs;
  $('home').hidden = !shown;
  $('scroll').hidden = shown;
  $('composer').hidden = shown;
  const now = tabs ? `${me.id}/${tab}` : '';
  keyed($('tabs'), tabs ? [['home', 'Home'], ['messages', 'Messages']].map(([name, words]) => ({
    key: name,
    sign: now,
    build: () => h('a', { href: address(me.name, here.id, '', name), 'aria-current': name === tab ? 'page' : null, 'data-focus': name }, words),
  })) : []);
  if (shown) draw(app.home, { names, press });
  if (now !== opened) {
    opened = now;
    if (now) tell(tab);
  }
  return shown;
}

function draw(view, context) {
  const node = $('home');
  const inside = node.contains(document.activeElement);
  // Block by block, so that focus and whatever is entered stay where nothing has changed.
  keyed(node, view ? view.blocks.map((block) => ({
    key: block.block_id, sign: `${context.names.me} ${JSON.stringify(block)}`, build: () => drawn([block], { ...context, field })[0],
  })) : EMPTY);
  if (inside && !node.contains(document.activeElement)) node.focus({ preventScroll: true });
}
