// Lists of messages that stay at their end while the reader is there.

import { keyed } from './dom.js';

// Put rows into a list. It stays at its end if the reader was there, and goes there if `end` asks for it.
export function fill(scroll, list, items, end) {
  keyed(list, items);
  if (end || scroll.atEnd) toEnd(scroll);
}

export function toEnd(scroll) {
  scroll.atEnd = true;
  scroll.scrollTop = scroll.scrollHeight;
}

// A reader at the end stays there when something else on the page takes room.
export function holdAtEnd(scroll) {
  scroll.addEventListener('scroll', () => { scroll.atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40; });
  new ResizeObserver(() => { if (scroll.atEnd) toEnd(scroll); }).observe(scroll);
}
