"use strict";
// The page is complete without this: filters, keys, folding towards a link, explanations on hover and focus.
(() => {
  const $ = (id) => document.getElementById(id);
  const open = (target) => {
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  };
  const follow = () => {
    const target = location.hash.length > 1 ? $(location.hash.slice(1)) : null;
    if (!target) return;
    open(target);
    target.scrollIntoView();
    if (target.classList.contains("step")) target.tabIndex = -1;
    if (target.classList.contains("step")) target.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  follow();

  const rows = [...document.querySelectorAll("#table tbody tr")];
  const sections = [...document.querySelectorAll("details.tx")];
  const words = $("words"), result = $("result");
  let texts = null;
  const tell = (shown) => { $("count").textContent = `${shown} of ${rows.length}`; };
  const filter = () => {
    texts ??= rows.map((row) => row.textContent.toLowerCase());
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      const fits = (!result.value || row.dataset.result === result.value) && wanted.every((word) => texts[at].includes(word));
      if (row.hidden === fits) row.hidden = sections[at].hidden = !fits;
      shown += fits;
    });
    tell(shown);
  };
  if (rows.length) {
    $("filters").hidden = false;
    words.addEventListener("input", filter);
    result.addEventListener("change", filter);
    $("filters").addEventListener("submit", (event) => event.preventDefault());
    if (words.value || result.value) filter();
    else tell(rows.length);
  }

  const help = $("help");
  document.querySelector(".keys").hidden = false;
  $("help-open").addEventListener("click", () => help.showModal());

  let at = -1;
  const go = (by) => {
    const there = sections.filter((each) => !each.hidden);
    if (!there.length) return;
    at = Math.min(Math.max((there.includes(sections[at]) ? there.indexOf(sections[at]) : -1) + by, 0), there.length - 1);
    const summary = there[at].querySelector("summary");
    at = sections.indexOf(there[at]);
    summary.focus();
    summary.scrollIntoView({ block: "start" });
  };
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    o: () => { if (sections[at]) sections[at].open = !sections[at].open; },
    0: () => scrollTo(0, 0),
    "?": () => help.showModal(),
    "/": () => { if (rows.length) words.focus(); },
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  const tip = $("tip");
  const explain = (event) => {
    const word = event.target.closest ? event.target.closest("a.g") : null;
    if (!word) return;
    const entry = $(word.hash.slice(1));
    if (!entry) return;
    tip.textContent = entry.nextElementSibling.textContent;
    tip.hidden = false;
    word.setAttribute("aria-describedby", "tip");
    const box = word.getBoundingClientRect(), own = tip.getBoundingClientRect();
    // Positions go through the object model, which the page's policy allows; a style attribute would be refused.
    tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - own.width - 4))}px`;
    tip.style.top = `${box.bottom + own.height + 8 < innerHeight ? box.bottom + 6 : box.top - own.height - 6}px`;
  };
  const hide = (event) => {
    const word = event.target.closest ? event.target.closest("a.g") : null;
    if (!word) return;
    tip.hidden = true;
    word.removeAttribute("aria-describedby");
  };
  addEventListener("mouseover", explain);
  addEventListener("focusin", explain);
  addEventListener("mouseout", hide);
  addEventListener("focusout", hide);

  addEventListener("beforeprint", () => document.querySelectorAll("details:not(.deep, .deep *)").forEach((each) => { each.open = true; }));
})();
