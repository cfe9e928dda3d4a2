// Returns how the element with the focus shows it: whether there is a ring, its contrast, and whether it is whole inside
// the page. Returns null if nothing has the focus.
() => {
  const node = document.activeElement;
  if (node === document.body) return null;

  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  // Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
  const luminance = (colour) => {
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [red, green, blue] = rgba(colour).map((part) => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };

  // The message box shows the focus of its input around itself.
  const box = node.tagName === 'INPUT' && node.closest('.composer');
  const style = getComputedStyle(box || node);
  const offset = box ? 0 : parseFloat(style.outlineOffset);
  const around = box || offset < 0 ? 0 : offset + parseFloat(style.outlineWidth);
  const { top, left, bottom, right } = (box || node).getBoundingClientRect();
  let back = offset < 0 ? node : (box || node).parentElement;
  while (rgba(getComputedStyle(back).backgroundColor)[3] < 255) back = back.parentElement;
  const ring = luminance(box ? style.borderTopColor : style.outlineColor);
  const [darker, lighter] = [ring, luminance(getComputedStyle(back).backgroundColor)].sort((a, b) => a - b);
  return {
    name: `${node.tagName} ${node.className} "${(node.ariaLabel || node.textContent).trim().slice(0, 40)}"`,
    ring: box ? style.boxShadow !== 'none' : style.outlineStyle !== 'none',
    contrast: (lighter + 0.05) / (darker + 0.05),
    whole: top >= around && left >= around && bottom + around <= innerHeight && right + around <= innerWidth,
  };
}
