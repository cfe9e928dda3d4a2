// Before anything is drawn, so that no light page flashes up in the dark.
{
  const chosen = localStorage.getItem('theme');
  if (chosen) document.documentElement.dataset.theme = chosen;
}
