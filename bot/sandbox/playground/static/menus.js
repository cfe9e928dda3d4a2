// Overflow menus, for the mouse and for the keyboard: https://www.w3.org/WAI/ARIA/apg/patterns/menu-button/

import { h } from './dom.js';

let count = 0;

// The three dots of an overflow menu. `choose(option, node)` is called with the option and the button. Slack's own menus
// have other names, looks and signs.
export function overflow(element, choose, { label = 'More actions', look = 'button more', sign = '⋯' } = {}) {
  const id = `menu-${(count += 1)}`;
  const items = element.options.map((option) => h('li', { role: 'none' }, h('button', {
    type: 'button', role: 'menuitem', tabindex: -1,
    onclick: () => {
      close();
      choose(option, button);
    },
  }, option.text.text, option.description && h('small', {}, option.description.text))));
  // A popover lies above everything, so that no scrolling part cuts it off. The browser closes it at Escape and at a
  // click elsewhere.
  const menu = h('ul', { id, class: 'menu', role: 'menu', 'aria-label': label, popover: 'auto' }, items);
  const button = h('button', {
    type: 'button', class: look, 'data-focus': element.action_id, 'aria-label': label,
    'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-controls': id,
    onclick: () => (wasOpen ? close() : open(0)),
    onpointerdown: () => { wasOpen = menu.matches(':popover-open'); },
    onkeydown: (event) => {
      wasOpen = false;
      const at = { ArrowDown: 0, ArrowUp: -1 }[event.key];
      if (at === undefined) return;
      event.preventDefault();
      open(at);
    },
  }, sign);
  // The click on the button has closed the popover before it comes here.
  let wasOpen = false;

  function open(at) {
    menu.showPopover();
    const { left, top, bottom } = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = menu;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    menu.style.top = `${bottom + 4 + height <= innerHeight ? bottom + 4 : top - height - 4}px`;
    focus(at);
  }

  function close() {
    menu.hidePopover();
    button.focus({ preventScroll: true });
  }

  function focus(at) {
    const all = [...menu.querySelectorAll('[role=menuitem]')];
    all.at(at % all.length).focus({ preventScroll: true });
  }

  menu.addEventListener('toggle', ({ newState }) => button.setAttribute('aria-expanded', String(newState === 'open')));
  menu.addEventListener('keydown', (event) => {
    const here = [...menu.querySelectorAll('[role=menuitem]')].indexOf(document.activeElement);
    const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) focus(to);
    else if (event.key === 'Escape') close();
    else if (event.key === 'Tab') return close();
    else return;
    event.preventDefault();
  });
  return h('span', {}, button, menu);
}

// The menu of an app's shortcuts, of those on a message or of the global ones. `choose(callback id)` is called.
export function shortcutMenu(shortcuts, choose, look) {
  const options = shortcuts.map(({ name, description, callback_id: value }) => ({
    text: { text: name }, description: { text: description }, value,
  }));
  return overflow({ action_id: 'shortcuts', options }, ({ value }) => choose(value), look);
}

// A select menu outside of a form.
export function select(element, choose) {
  const node = choice(element, { 'data-focus': element.action_id, 'aria-label': element.placeholder?.text ?? 'Choose' });
  node.addEventListener('change', () => {
    const option = element.options.find(({ value }) => value === node.value);
    if (option) choose(option, node);
  });
  return node;
}

// The select element of a static_select, with an empty first choice unless one is chosen already and must stay so.
export function choice(element, properties, optional = true) {
  const first = element.initial_option;
  const empty = (optional || !first) && h('option', { value: '' }, element.placeholder?.text ?? 'Choose an option');
  return h('select', properties, empty, element.options.map((option) =>
    h('option', { value: option.value, selected: option.value === first?.value }, option.text.text)));
}
