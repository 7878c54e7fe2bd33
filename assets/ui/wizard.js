// What Gradio leaves to the page: radio groups for the keyboard, copy buttons, the link to a run.
// Covers: progressive help only; without it the wizard still works, except the link to a run.
() => {
  const KEY = "compression-wizard";
  const read = () => { try { return JSON.parse(localStorage.getItem(KEY) || "{}"); } catch { return {}; } };
  const write = (value) => { try { localStorage.setItem(KEY, JSON.stringify(value)); } catch { /* denied in some iframes */ } };
  // The answer to the page's first question must not overtake a click made before it came.
  let settle;
  const settled = new Promise((done) => { settle = done; setTimeout(done, 5000); });

  const standing = new Promise((done) => {
    const look = () => (document.getElementById("next-model") ? setTimeout(done, 50) : setTimeout(look, 20));
    look();
  });

  window.compressionWizard = {
    settled: async (...values) => { await settled; return values; },
    // What the page remembers: the run in the address, else the run of last time; the visitor's token.
    // It is asked once the first step stands, so that nothing comes before what people see.
    recall: async () => {
      await standing;
      const linked = (location.hash.match(/run=([0-9a-z]+)/) || [])[1] || "";
      const kept = read();
      return JSON.stringify({ linked, kept: kept.run || "", owner: kept.owner || "" });
    },
    remember: (token) => {
      if (!token) return;  // a run is still to be found again
      settle();
      const { run, owner, seen } = JSON.parse(token);
      write({ owner, run: seen ? "" : run });
      if (run && !location.hash.includes(run)) history.replaceState(null, "", "#run=" + run);
    },
    // The answer to a press is there, or a sentence that says why not.
    answered: () => document.querySelectorAll(".nav [aria-busy=true]").forEach((one) => one.removeAttribute("aria-busy")),
    forget: () => {
      write({ owner: read().owner });
      history.replaceState(null, "", location.pathname + location.search);
      location.reload();
    },
    // After each change of step: focus the new heading, so that a screen reader and Tab start there.
    arrive: () => {
      requestAnimationFrame(() => setTimeout(() => {
        const heading = [...document.querySelectorAll(".st-h h2, h2.verdict")].find((one) => one.offsetParent);
        if (!heading) return;
        heading.tabIndex = -1;
        heading.focus({ preventScroll: true });
        window.scrollTo({ top: 0 });
      }, 60));
    },
  };

  addEventListener("hashchange", () => { if (location.hash.startsWith("#run=")) location.reload(); });

  // On a busy machine an answer takes seconds: the button that leads on shows that it was pressed.
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".nav .waits");
    if (button) button.setAttribute("aria-busy", "true");
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const text = source.textContent;
    const say = (word) => { button.textContent = word; setTimeout(() => { button.textContent = button.dataset.word; }, 1600); };
    const select = () => { getSelection().selectAllChildren(source); say("Selected"); };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => say("Copied"), select); else select();
  });

  // Gradio gives each radio its own name, which makes arrow keys useless: one name per group.
  const mend = () => document.querySelectorAll("fieldset.block").forEach((group) => {
    const radios = group.querySelectorAll("input[type=radio]");
    if (!radios.length) return;
    radios.forEach((radio) => { if (radio.name !== group.id) radio.name = group.id; });
    const title = group.querySelector("[data-testid=block-info]");
    if (group.getAttribute("role") !== "radiogroup") group.setAttribute("role", "radiogroup");
    if (title) {
      if (!title.id) title.id = group.id + "-title";
      if (group.getAttribute("aria-labelledby") !== title.id) group.setAttribute("aria-labelledby", title.id);
    }
  });
  // On phones Gradio draws a step as a dot without a name; its filter has a hint but no label.
  const name = (one, said) => { if (one.getAttribute("aria-label") !== said) one.setAttribute("aria-label", said); };
  const nameAll = () => {
    document.querySelectorAll(".step-button[aria-controls^=s-]").forEach((one) => {
      const word = one.getAttribute("aria-controls").slice(2);
      name(one, word[0].toUpperCase() + word.slice(1));
    });
    document.querySelectorAll("#flips .search-input").forEach((one) => name(one, one.title || "Filter"));
  };
  const mendAll = () => {
    mend();
    nameAll();
    document.querySelectorAll("code[data-link]").forEach((one) => {
      if (one.textContent === one.dataset.link) one.textContent = location.href.split("#")[0] + one.dataset.link;
    });
  };
  mendAll();
  new MutationObserver(mendAll).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["name"] });
}
