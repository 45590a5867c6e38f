// What can be measured of a page as it stands in the browser; the value of this expression.
(() => {
  const number = (text) => Number.parseFloat(text);

  function rgba(text) {
    const parts = text.match(/[\d.]+/g);
    if (!parts) return null;
    const [red, green, blue, alpha = 1] = parts.map(Number);
    return { red, green, blue, alpha };
  }

  // WCAG 2.2, "relative luminance" and "contrast ratio".
  function luminance({ red, green, blue }) {
    const [r, g, b] = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(first, second) {
    const [light, dark] = [luminance(first), luminance(second)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  function background(element) {
    for (let at = element; at; at = at.parentElement) {
      if (at instanceof SVGElement && !(at instanceof SVGSVGElement)) {
        // A drawn text stands on the first rectangle of its group.
        const box = at.tagName === "g" ? at.querySelector(":scope > rect") : null;
        const fill = box ? rgba(getComputedStyle(box).fill) : null;
        if (fill && fill.alpha === 1) return fill;
      } else {
        const colour = rgba(getComputedStyle(at).backgroundColor);
        if (colour && colour.alpha === 1) return colour;
      }
    }
    return { red: 255, green: 255, blue: 255 };
  }

  const pale = [];
  const small = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    if (!text.data.trim() || ["TITLE", "title", "desc", "STYLE"].includes(element.tagName)) continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const colour = rgba(drawn ? style.fill : style.color);
    const ratio = contrast(colour, background(element));
    if (ratio < 4.5) pale.push(`${ratio.toFixed(2)}: ${text.data.trim().slice(0, 60)} (${element.tagName})`);
    let size = number(style.fontSize);
    if (drawn) size *= element.getScreenCTM().a;
    if (size < 9) small.push(`${size.toFixed(1)} px: ${text.data.trim().slice(0, 60)}`);
  }

  // Labels that stick out of their boxes, and boxes that lie on each other.
  const cut = [];
  const overlapping = [];
  for (const picture of document.querySelectorAll("svg.graph")) {
    const boxes = [];
    for (const group of picture.querySelectorAll("g.node, g.pill")) {
      const box = group.querySelector(":scope > rect").getBoundingClientRect();
      boxes.push([box, group.textContent.trim()]);
      for (const text of group.querySelectorAll(":scope > text")) {
        const inner = text.getBoundingClientRect();
        if (inner.left < box.left - 0.5 || inner.right > box.right + 0.5) cut.push(text.textContent);
      }
    }
    const all = picture.getBoundingClientRect();
    for (const [box, name] of boxes) {
      const outside = box.left < all.left || box.right > all.right + 0.5 || box.bottom > all.bottom + 0.5;
      if (outside || box.top < all.top) cut.push(`outside of the picture: ${name}`);
    }
    boxes.sort(([a], [b]) => a.top - b.top);
    for (let first = 0; first < boxes.length; first += 1) {
      const [a, name] = boxes[first];
      for (let second = first + 1; second < boxes.length && boxes[second][0].top < a.bottom - 0.5; second += 1) {
        const [b, other] = boxes[second];
        if (a.left < b.right - 0.5 && b.left < a.right - 0.5) overlapping.push(`${name} / ${other}`);
      }
    }
  }

  for (const text of document.querySelectorAll("svg.strip text")) {
    const strip = text.closest("svg").getBoundingClientRect();
    const inner = text.getBoundingClientRect();
    if (inner.left < strip.left - 0.5 || inner.right > strip.right + 0.5 || inner.bottom > strip.bottom + 3) {
      cut.push(`outside of the strip: ${text.textContent}`);
    }
  }

  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((heading) => Number(heading.tagName[1]));
  const root = document.documentElement;
  const wide = [...document.body.querySelectorAll("*")].filter((element) => {
    if (element.closest(".scroll")) return false;
    return element.checkVisibility() && element.getBoundingClientRect().right > root.clientWidth + 0.5;
  });
  return {
    title: document.title,
    scroll_width: root.scrollWidth,
    // Not window.innerWidth: a phone zooms out until everything is on it.
    client_width: root.clientWidth,
    height: root.scrollHeight,
    wide: wide.slice(0, 20).map((element) => `${element.tagName}.${element.getAttribute("class") ?? ""}`),
    pale: [...new Set(pale)],
    small: [...new Set(small)],
    cut,
    overlapping,
    levels,
    elements: document.querySelectorAll("*").length,
    scripts: document.scripts.length,
    text: document.body.innerText,
  };
})();
