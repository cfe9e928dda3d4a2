// The message box, with completion of slash commands and names.

import { h } from './dom.js';
import { shortcutMenu } from './menus.js';

// `known()` gives {commands, people}; `send(text)` resolves to a `notice` if the text was not sent.
export class Composer {
  #drafts = new Map();
  #place = '';
  #options = [];
  #active = 0;

  constructor(parent, { id, known, send }) {
    this.known = known;
    this.send = send;
    this.input = h('input', {
      id, type: 'text', role: 'combobox', autocomplete: 'off', spellcheck: 'false', maxlength: 3000,
      'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': `${id}-list`, 'aria-describedby': `${id}-hint`,
      oninput: () => this.#complete(), onkeydown: (event) => this.#key(event), onblur: () => this.#offer([]),
      onclick: () => this.#complete(),
    });
    this.list = h('ul', { id: `${id}-list`, class: 'completions', role: 'listbox', 'aria-label': 'Suggestions', hidden: true });
    this.hint = h('p', { id: `${id}-hint`, class: 'usage' });
    this.shortcuts = h('span', { hidden: true });
    this.form = h('form', { class: 'composer' }, this.list, this.shortcuts, this.input,
      h('button', { class: 'button primary', 'aria-label': 'Send' }, '➤'));
    this.closed = h('p', { class: 'closed', hidden: true }, 'Sending messages to this app has been turned off.');
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    parent.append(this.form, this.closed, this.hint);
  }

  // Go to another channel or thread. A draft stays with its channel or thread. Where the box is `closed`, nobody can write.
  moveTo(place, label, closed = false) {
    this.form.hidden = closed;
    this.hint.hidden = closed;
    this.closed.hidden = !closed;
    if (place !== this.#place) {
      this.#drafts.set(this.#place, this.input.value);
      this.input.value = this.#drafts.get(place) ?? '';
      this.#place = place;
      this.#offer([]);
    }
    this.input.placeholder = label;
    this.input.setAttribute('aria-label', label);
  }

  // Show the app's global shortcuts beside the box, once; nothing if there are none.
  offerShortcuts(shortcuts, choose) {
    if (!this.shortcuts.hidden || !shortcuts.length) return;
    this.shortcuts.hidden = false;
    this.shortcuts.append(shortcutMenu(shortcuts, choose, { label: 'Shortcuts', look: 'quiet', sign: '+' }));
  }

  // Put this into the box, ready to be sent.
  fill(text) {
    this.input.value = text;
    this.input.focus();
    this.#complete();
  }

  async #send() {
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = '';
    this.#complete();
    const { notice } = await this.send(text);
    if (notice && !this.input.value) this.input.value = text;
  }

  #complete() {
    const { commands, people } = this.known();
    const typed = this.input.value.slice(0, this.input.selectionStart);
    const command = commands.find((each) => typed.startsWith(`${each.name} `));
    this.hint.textContent = command ? `${command.name} ${command.usage_hint}` : '';
    if (/^\/\S*$/.test(typed)) {
      this.#offer(commands.filter((each) => each.name.startsWith(typed)).map((each) => ({
        value: each.name, replaces: typed, words: [h('b', {}, each.name), ` ${each.usage_hint}`, h('small', {}, each.description)],
      })));
    } else {
      const name = typed.match(/(?:^|\s)@([\w.-]*)$/)?.[1];
      this.#offer(name === undefined ? [] : people.filter((each) => each.name.startsWith(name)).map((each) => ({
        value: `@${each.name}`, replaces: `@${name}`, words: [h('b', {}, `@${each.name}`), h('small', {}, each.part)],
      })));
    }
  }

  #offer(options, active = 0) {
    this.#options = options;
    this.#active = active;
    this.list.hidden = options.length === 0;
    this.input.setAttribute('aria-expanded', String(options.length > 0));
    this.list.replaceChildren(...options.map(({ words }, index) => h('li', {
      id: `${this.list.id}-${index}`, role: 'option', 'aria-selected': String(index === active),
      onmousedown: (event) => {
        event.preventDefault();
        this.#take(index);
      },
    }, words)));
    if (options.length) this.input.setAttribute('aria-activedescendant', `${this.list.id}-${active}`);
    else this.input.removeAttribute('aria-activedescendant');
  }

  #take(index) {
    const { value, replaces } = this.#options[index];
    const at = this.input.selectionStart;
    const before = this.input.value.slice(0, at - replaces.length) + `${value} `;
    this.input.value = before + this.input.value.slice(at);
    this.input.setSelectionRange(before.length, before.length);
    this.#complete();
  }

  #key(event) {
    const count = this.#options.length;
    if (!count) return;
    const whole = this.#options.some((option) => option.value === option.replaces);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#offer(this.#options, (this.#active + step + count) % count);
    else if (event.key === 'Escape') this.#offer([]);
    else if (event.key === 'Enter' && !whole) this.#take(this.#active);
    else if (event.key === 'Tab' && !event.shiftKey) this.#take(this.#active);
    else return;
    event.preventDefault();
  }
}
