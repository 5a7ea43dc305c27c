// Filters, sorts and expands the items already on the page; it never builds HTML from text.
(() => {
  const browser = document.getElementById("item-browser");
  const form = browser.querySelector("form");
  const list = document.getElementById("item-list");
  const more = document.getElementById("more-items");
  const status = document.getElementById("items-shown");
  const atOnce = Number(browser.dataset.atOnce);
  const cards = [...list.children].map((card, place) => ({
    card,
    place,
    answers: [...card.querySelectorAll(".answer")].map((answer) => ({
      answer,
      values: answer.dataset.values.split(",").map((text) => (text === "" ? -Infinity : Number(text))),
    })),
  }));
  let unfolded = atOnce;

  const chosen = (name) => form.elements[name].value;
  const fits = (data, names) => names.every((name) => chosen(name) === "" || data[name] === chosen(name));

  function show() {
    const key = chosen("sort");
    const found = [];
    for (const each of cards) {
      const shown = each.answers.filter(({ answer }) => {
        answer.hidden = !fits(answer.dataset, ["model", "right", "atom"]);
        return !answer.hidden;
      });
      each.card.hidden = true;
      each.score = key === "" ? -each.place : Math.max(-Infinity, ...shown.map(({ values }) => values[Number(key)]));
      if (shown.length > 0 && fits(each.card.dataset, ["dataset", "rule"])) found.push(each);
    }
    found.sort((first, second) => (first.score === second.score ? first.place - second.place : second.score - first.score));
    list.append(...found.map(({ card }) => card));
    const visible = found.slice(0, unfolded);
    for (const { card } of visible) card.hidden = false;
    status.textContent = `${visible.length} of ${found.length} matching items shown; ${cards.length} on this page.`;
    more.hidden = visible.length === found.length;
    return visible;
  }

  form.addEventListener("change", () => {
    unfolded = atOnce;
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => {
    const first = unfolded;
    unfolded += atOnce;
    const heading = show()[first].card.querySelector("h3");
    heading.tabIndex = -1; // keyboard focus moves to the first new item
    heading.focus({ preventScroll: true });
  });
  form.hidden = false;
  show();
})();
