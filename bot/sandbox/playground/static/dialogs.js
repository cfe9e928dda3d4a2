// Modals and confirm dialogs. The browser's own dialog element makes the rest of the page inert. This file keeps the
// focus inside the dialog, and returns it at the end.

import { drawn, text } from './blocks.js';
import { focusIn, h } from './dom.js';
import { entered, field, firstField, mark } from './fields.js';

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
    (firstField(this.#dialog) ?? this.#dialog.querySelector('.foot button')).focus();
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
      const answer = await this.#actions.submit(id, entered(form));
      form.ariaBusy = String(!answer.errors && !answer.notice);
      problem.textContent = answer.notice ?? '';
      mark(form, answer.errors ?? {});
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
