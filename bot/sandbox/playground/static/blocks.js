// Block Kit, drawn from its JSON. Source: https://docs.slack.dev/reference/block-kit/blocks

import { h } from './dom.js';
import { overflow, select } from './menus.js';
import { channel, link, mention, moment, mrkdwn } from './mrkdwn.js';

// `names` knows people, channels and addresses; `press` is called with a button or menu, its element
// and the chosen option; `field` draws an input block, in views that may have inputs.
export function drawn(blocks, { names, press, field }) {
  const draw = {
    rich_text: (block) => block.elements.map((element) => richText(element, names)),
    section: (block) => [
      block.text && h('div', { class: 'section' }, text(block.text, names)),
      block.fields && h('div', { class: 'fields' }, block.fields.map((each) => h('div', {}, text(each, names)))),
      block.accessory && actions([{ ...block.accessory, block_id: block.block_id }], press, names),
    ],
    context: (block) => h('div', { class: 'context' }, block.elements.map((each) => text(each, names))),
    header: (block) => h('h3', {}, block.text.text),
    divider: () => h('hr'),
    actions: (block) => actions(block.elements.map((each) => ({ ...each, block_id: block.block_id })), press, names),
    input: (block) => field(block, names),
  };
  return blocks.map((block) =>
    h('div', { class: 'block' }, draw[block.type]?.(block) ?? h('em', {}, `(a block of type ${block.type})`)));
}

export function text(object, names) {
  return object.type === 'mrkdwn' ? mrkdwn(object.text, names) : h('div', { class: 'text' }, object.text);
}

const MENUS = { overflow, static_select: select };

function actions(elements, press, names) {
  return h('div', { class: 'actions' }, elements.map((button) => {
    const menu = MENUS[button.type];
    if (menu) return menu(button, (option, node) => press(button, node, option));
    if (button.url) return linked(button, press, names);
    const node = h('button', {
      type: 'button',
      class: `button ${button.style ?? ''}`,
      'data-focus': button.action_id,
      'aria-label': button.accessibility_label,
      onclick: () => press(button, node),
    }, button.text.text);
    return node;
  }));
}

// A button that is a link: Slack follows it, and tells the app of the click as well.
function linked(button, press, names) {
  const node = link(button.url, button.text.text, names);
  node.classList.add('button', ...(button.style ? [button.style] : []));
  node.dataset.focus = button.action_id;
  node.addEventListener('click', () => press(button, node));
  return node;
}

const FRAMES = { rich_text_quote: 'blockquote', rich_text_preformatted: 'pre' };

function richText(element, names) {
  if (element.type === 'rich_text_list') return list(element, names);
  return h(FRAMES[element.type] ?? 'div', { class: 'text' }, pieces(element, names));
}

function list({ style, elements, indent = 0, offset = 0 }, names) {
  const ordered = style === 'ordered';
  const node = h(ordered ? 'ol' : 'ul', { start: ordered ? offset + 1 : null },
    elements.map((item) => h('li', { class: 'text' }, pieces(item, names))));
  node.style.marginInlineStart = `${indent * 1.4}rem`;
  return node;
}

const pieces = ({ elements }, names) => elements.map((each, index) => piece(each, names, beginsLine(elements[index - 1])));

const beginsLine = (before) => !before || (before.type === 'text' && before.text.endsWith('\n'));

const PIECES = {
  text: (each) => each.text,
  user: (each, names) => mention(each.user_id, names),
  channel: (each, names) => channel(each.channel_id, names),
  usergroup: (each) => h('span', { class: 'mention' }, `@${each.usergroup_id}`),
  broadcast: (each) => h('span', { class: 'mention' }, `@${each.range}`),
  link: (each, names) => link(each.url, each.text || each.url, names),
  date: (each, names, first) => moment(each.timestamp, each.format, each.fallback ?? '', first),
  emoji: (each) => `:${each.name}:`,
};
const STYLES = { code: 'code', bold: 'strong', italic: 'em', strike: 's', underline: 'u' };

function piece(each, names, first) {
  return Object.entries(STYLES)
    .filter(([style]) => each.style?.[style])
    .reduce((inner, [, tag]) => h(tag, {}, inner), PIECES[each.type]?.(each, names, first) ?? '');
}
