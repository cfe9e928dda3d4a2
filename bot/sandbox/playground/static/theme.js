// This runs before anything is drawn, so that a dark page does not flash light first.
{
  const chosen = localStorage.getItem('theme');
  if (chosen) document.documentElement.dataset.theme = chosen;
}
