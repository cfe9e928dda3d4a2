// The page's frame: its theme, and on a narrow screen the choice of one pane.

import { h } from './dom.js';

const themeButton = document.getElementById('theme');
const paneButtons = [...document.querySelectorAll('[data-show]')];

function showTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches;
  themeButton.replaceChildren(dark ? '☀ ' : '☾ ', h('span', {}, dark ? 'Light' : 'Dark'));
  themeButton.onclick = () => {
    document.documentElement.dataset.theme = dark ? 'light' : 'dark';
    localStorage.setItem('theme', document.documentElement.dataset.theme);
    showTheme();
  };
}

export function showPane(name) {
  document.body.dataset.view = name;
  for (const button of paneButtons) button.setAttribute('aria-pressed', String(button.dataset.show === name));
}

for (const button of paneButtons) button.addEventListener('click', () => showPane(button.dataset.show));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showTheme);
showTheme();
showPane('slack');
