// The fields of forms and of a Home tab: https://docs.slack.dev/reference/block-kit/blocks/input-block

import { text } from './blocks.js';
import { h } from './dom.js';
import { choice } from './menus.js';

const ENTERED = '.field :is(input, textarea, select)';

// What draws an input block.
export function field(block, names) {
  const { element } = block;
  const id = `field-${block.block_id}`;
  const label = [block.label.text, block.optional && h('span', {}, ' (optional)')];
  const below = [h('p', { class: 'error', id: `${id}-error`, role: 'alert' }),
    block.hint && h('p', { class: 'about', id: `${id}-hint` }, block.hint.text)];
  const about = { 'data-block': block.block_id, 'aria-describedby': `${id}-error ${id}-hint` };
  const required = block.optional ? null : 'true';
  if (element.type === 'radio_buttons') {
    return h('fieldset', { class: 'field', role: 'radiogroup', ...about, 'aria-required': required },
      h('legend', {}, label), options(element, id, { type: 'radio', name: element.action_id }, names), below);
  }
  if (element.type === 'checkboxes') {
    return h('fieldset', { class: 'field' },
      h('legend', {}, label), options(element, id, { type: 'checkbox', name: element.action_id, ...about }, names), below);
  }
  return h('div', { class: 'field' }, h('label', { for: id }, label), control(element, {
    ...about, id, name: element.action_id, maxlength: element.max_length, 'aria-required': required, autocomplete: 'off',
    placeholder: element.placeholder?.text,
  }, block.optional, names), below);
}

function options(element, id, about, names) {
  const initial = [element.initial_option, ...(element.initial_options ?? [])].map((option) => option?.value);
  return element.options.map((option, index) => h('div', { class: 'option' },
    h('input', { ...about, id: `${id}-${index}`, value: option.value, checked: initial.includes(option.value) }),
    h('label', { for: `${id}-${index}` }, text(option.text, names),
      option.description && h('small', {}, text(option.description, names)))));
}

function control(element, about, optional, names) {
  if (element.type === 'static_select') return choice(element, about, optional);
  if (element.type === 'conversations_select') return choice(conversations(element, names), about, optional);
  const input = element.multiline ? h('textarea', { ...about, rows: 4 }) : h('input', { ...about, type: 'text' });
  input.value = element.initial_value ?? '';
  return input;
}

// A menu of the person's conversations as one of options. Every channel of this Slack is public.
// Source: https://docs.slack.dev/reference/block-kit/composition-objects/conversation-filter-object
function conversations({ placeholder, filter: { include } = {}, initial_conversation: first }, { conversations: all }) {
  const options = all.filter(({ direct }) => !include || include.includes(direct ? 'im' : 'public'))
    .map(({ id, name, direct }) => ({ text: { text: direct ? name : `# ${name}` }, value: id }));
  return { placeholder: placeholder ?? { text: 'Choose a conversation' }, options, initial_option: options.find(({ value }) => value === first) };
}

// What is entered in all fields in a node, by action id; a list for checkboxes.
export function entered(node) {
  const found = {};
  for (const { type, name, value, checked } of node.querySelectorAll(ENTERED)) {
    if (type === 'checkbox') found[name] = [...(found[name] ?? []), ...(checked ? [value] : [])];
    else if (type !== 'radio') found[name] = value;
    else if (checked || !(name in found)) found[name] = checked ? value : '';
  }
  return found;
}

// Show the errors, by block id, at their fields, and go to the first one.
export function mark(node, errors) {
  const places = [...node.querySelectorAll('[data-block]')];
  for (const place of places) {
    const error = errors[place.dataset.block] ?? '';
    place.setAttribute('aria-invalid', String(Boolean(error)));
    document.getElementById(`field-${place.dataset.block}-error`).textContent = error;
  }
  const first = places.find(({ dataset }) => errors[dataset.block]);
  (first?.querySelector('input') ?? first)?.focus();
  // The focus alone brings only the caret into view.
  first?.closest('.field').scrollIntoView({ block: 'nearest' });
}

export const firstField = (node) => node.querySelector(ENTERED);
