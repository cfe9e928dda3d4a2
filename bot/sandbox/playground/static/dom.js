// Elements made from data. Text is only ever set as text: nothing here reads markup.

export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return node;
}

// Make these items, each {key, sign, build}, the children of a parent. A child is built again only if its sign has
// changed, so that focus, scrolling and open folds stay as they are.
export function keyed(parent, items) {
  const wanted = new Set(items.map((item) => item.key));
  const known = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.itemKey)) known.set(child.itemKey, child);
    else child.remove();
  }
  let at = parent.firstElementChild;
  for (const { key, sign, build } of items) {
    let node = known.get(key);
    if (node?.itemSign !== sign) {
      const fresh = Object.assign(build(), { itemKey: key, itemSign: sign });
      if (node) {
        if (at === node) at = fresh;
        swap(node, fresh);
      }
      node = fresh;
    }
    if (at === node) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}

function swap(old, fresh) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  old.replaceWith(fresh);
  if (focused) focusIn(fresh, focused.dataset.focus, focused.localName);
}

// Focus the part of this name in a node, else the first element of this kind, else the nearest thing that takes focus.
export function focusIn(node, name, kind = 'button') {
  const part = name && node.querySelector(`[data-focus="${CSS.escape(name)}"]`);
  (part || node.querySelector(kind) || node.querySelector('button, a, input, select') || node).focus({ preventScroll: true });
}
