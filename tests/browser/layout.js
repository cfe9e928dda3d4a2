// Returns what is cut off, covered, out of view, scrolls sideways, or is small for a thumb on a narrow page.
() => {
  const out = [];
  const shown = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest('.unseen');
  const say = (what, node) => {
    out.push(`${what}: ${node.tagName} ${node.className} "${(node.ariaLabel || node.textContent).trim().slice(0, 40)}"`);
  };

  const wider = document.documentElement.scrollWidth - innerWidth;
  if (wider > 0) out.push(`${wider} pixels are off the edge`);

  for (const node of (document.querySelector('dialog[open]') ?? document.body).querySelectorAll('*')) {
    const { overflowX, display } = getComputedStyle(node);
    if (display === 'inline' || node.clientWidth <= 1 || node.scrollWidth <= node.clientWidth + 1 || !shown(node)) continue;
    if (node.tagName === 'SELECT') say('the choice is cut off', node);
    if (node.matches('a, button')) say('spills over its edge', node);
    if (['auto', 'scroll'].includes(overflowX)) say('scrolls sideways', node);
  }

  for (const node of document.querySelectorAll('dialog[open], dialog[open] .foot button, :popover-open')) {
    const { top, left, bottom, right } = node.getBoundingClientRect();
    if (top < 0 || left < 0 || bottom > innerHeight || right > innerWidth) say('is out of view', node);
  }

  for (const mark of document.querySelectorAll('.person .mark')) {
    const person = mark.closest('.person');
    const [own, name] = [mark, person.querySelector('b')].map((node) => node.getBoundingClientRect());
    if (shown(mark) && own.right > name.left && name.right > own.left) say('covers the name', person);
  }

  // A link or a command in a sentence is as high as its line.
  const targets = 'button:not(.try), select, summary, a.button, .tabs a, .sidebar a';
  for (const node of innerWidth < 500 ? document.querySelectorAll(targets) : []) {
    const { width, height } = node.getBoundingClientRect();
    const least = node.matches('.button, [role=menuitem]') ? 44 : 32;
    if (shown(node) && (width < 32 || height < least)) {
      say(`is small for a thumb (${Math.round(width)} x ${Math.round(height)})`, node);
    }
  }
  return out;
}
