// Modals and confirm dialogs. The browser's own dialog element makes the rest of the page inert. This file keeps the
// focus inside the dialog, and returns it at the end.

import { drawn, text } from './blocks.js';
import { focusIn, h } from './dom.js';
import { choice } from './menus.js';

let opener = null;

function open(dialog) {
  const node = document.activeElement;
  opener = { node, home: node.closest('[id]')?.id, part: node.dataset?.focus };
  // The previous dialog is removed only now. Removed while it closes, it leaves Chromium without keyboard input until
  // the next click.
  document.querySelectorAll('dialog').forEach((each) => each.remove());
  document.body.append(dialog);
  dialog.addEventListener('keydown', goRound);
  dialog.showModal();
}

function close(dialog) {
  dialog.close();
  const home = opener?.home && document.getElementById(opener.home);
  if (opener?.node.isConnected && opener.node !== document.body) opener.node.focus();
  else if (home) focusIn(home, opener.part);
  else document.getElementById('say').focus();
}

function goRound(event) {
  if (event.key !== 'Tab') return;
  const stops = [...event.currentTarget.querySelectorAll('button, input, textarea, select, a[href]')];
  const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (document.activeElement === from) {
    event.preventDefault();
    to.focus();
  }
}

// Slack's question before a button works. Resolves to true if the person confirms.
export function confirmed({ title, text: question, confirm, deny, style }, names) {
  return new Promise((resolve) => {
    const answer = (yes) => () => {
      close(dialog);
      resolve(yes);
    };
    const yes = h('button', { type: 'button', class: `button ${style ?? 'primary'}`, onclick: answer(true) }, confirm.text);
    const dialog = h('dialog', { role: 'alertdialog', 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
      h('h2', { id: 'dialog-title' }, title.text),
      h('div', { id: 'dialog-text', class: 'content' }, text(question, names)),
      h('div', { class: 'foot' }, h('button', { type: 'button', class: 'button', onclick: answer(false) }, deny.text), yes));
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      answer(false)();
    });
    open(dialog);
    yes.focus();
  });
}

// The one open modal of the person on this page. `submit(id, values)` resolves to the server's answer; `dismiss(id)`
// tells the server that the person closed the modal.
export class Modal {
  #dialog = null;
  #shown = '';
  #gone = '';
  #actions;

  constructor(actions) {
    this.#actions = actions;
  }

  show(person, modal, names) {
    const sign = modal ? `${person} ${modal.id} ${modal.hash} ${JSON.stringify(modal.view)}` : '';
    if (sign === this.#shown) return;
    if (this.#dialog) close(this.#dialog);
    this.#dialog = null;
    this.#shown = sign;
    if (!modal || modal.id === this.#gone) return;
    this.#dialog = this.#build(modal, names);
    open(this.#dialog);
    (this.#dialog.querySelector('.field :is(input, textarea, select)') ?? this.#dialog.querySelector('.foot button')).focus();
  }

  #build({ id, view }, names) {
    const away = () => {
      this.#gone = id;
      close(this.#dialog);
      this.#dialog = null;
      this.#actions.dismiss(id);
    };
    const submit = view.submit && h('button', { class: 'button primary' }, view.submit.text);
    const problem = h('p', { class: 'error', role: 'alert' });
    const form = h('form', { novalidate: true },
      h('div', { class: 'content' }, drawn(view.blocks, { names, press: () => {}, field }), problem),
      h('div', { class: 'foot' },
        h('button', { type: 'button', class: 'button', onclick: away }, view.close?.text ?? 'Cancel'), submit));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (form.ariaBusy === 'true') return;
      form.ariaBusy = 'true';
      const inputs = [...form.querySelectorAll('.field :is(input, textarea, select)')];
      const answer = await this.#actions.submit(id, Object.fromEntries(inputs.map((each) => [each.name, each.value])));
      form.ariaBusy = String(!answer.errors && !answer.notice);
      problem.textContent = answer.notice ?? '';
      mark(inputs, answer.errors ?? {});
    });
    const dialog = h('dialog', { class: 'modal', 'aria-labelledby': 'dialog-title' },
      h('div', { class: 'head' }, h('h2', { id: 'dialog-title' }, view.title.text),
        h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close form', onclick: away }, '✕')), form);
    dialog.addEventListener('cancel', (event) => {
      event.preventDefault();
      away();
    });
    return dialog;
  }
}

function field(block) {
  const { element } = block;
  const id = `field-${block.block_id}`;
  const about = { id, name: element.action_id, maxlength: element.max_length, 'data-block': block.block_id,
    'aria-describedby': `${id}-error ${id}-hint`, 'aria-required': block.optional ? null : 'true', autocomplete: 'off',
    placeholder: element.placeholder?.text };
  const input = control(element, about, block.optional);
  return h('div', { class: 'field' },
    h('label', { for: id }, block.label.text, block.optional && h('span', {}, ' (optional)')), input,
    h('p', { class: 'error', id: `${id}-error`, role: 'alert' }),
    block.hint && h('p', { class: 'about', id: `${id}-hint` }, block.hint.text));
}

function control(element, about, optional) {
  if (element.type === 'static_select') return choice(element, about, optional);
  const input = element.multiline ? h('textarea', { ...about, rows: 4 }) : h('input', { ...about, type: 'text' });
  input.value = element.initial_value ?? '';
  return input;
}

function mark(inputs, errors) {
  for (const input of inputs) {
    const error = errors[input.dataset.block] ?? '';
    input.setAttribute('aria-invalid', String(Boolean(error)));
    document.getElementById(`${input.id}-error`).textContent = error;
  }
  inputs.find((input) => errors[input.dataset.block])?.focus();
}
