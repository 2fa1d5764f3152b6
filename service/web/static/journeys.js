/* Plays a scripted journey in the page: says what the visitor does, shows where, and does it. It lives from page to page
 * in the tab's storage. localStorage["shop.pace"]: milliseconds between two steps, for who has seen it before.
 */
(() => {
  "use strict";
  const NAME = "shop.journey";
  const MEET_MS = 25000;
  let state;
  let pace = 2400;
  try {
    state = JSON.parse(sessionStorage.getItem(NAME));
    pace = Number(localStorage.getItem("shop.pace")) || pace;
  } catch { return; }
  if (!state) return;

  const make = (tag, classes, text) => Object.assign(document.createElement(tag), { className: classes, textContent: text || "" });
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const save = () => sessionStorage.setItem(NAME, JSON.stringify(state));
  const root = document.documentElement;

  const bar = make("section", "journey");
  bar.setAttribute("aria-label", "Journey");
  const place = make("span", "small");
  const said = make("p", "");
  said.setAttribute("role", "status");
  const stop = make("button", "link", "Stop");
  stop.type = "button";
  bar.append(make("strong", "", state.name), place, said, stop);
  document.body.append(bar);
  let stopped = false;
  stop.addEventListener("click", () => { stopped = true; sessionStorage.removeItem(NAME); bar.remove(); });

  function say(text) {
    place.textContent = ` step ${state.at + 1} of ${state.steps.length + 1}`;
    said.textContent = text;
  }

  async function point(element) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || pace < 1000;
    element.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    element.classList.add("pointed");
    await sleep(pace / 3);
    element.classList.remove("pointed");
  }

  async function until(found, ms) {
    for (const end = performance.now() + ms; performance.now() < end && !stopped; await sleep(50)) {
      const result = found();
      if (result) return result;
    }
    return null;
  }

  const visible = (element) => element.offsetParent !== null || element.getClientRects().length > 0;

  // each does its step; true if the page goes with it
  const DO = {
    async go({ at }) {
      const link = [...document.querySelectorAll("a[href]")].find((one) => one.getAttribute("href") === at && visible(one));
      if (link) await point(link);
      if (stopped) return true;
      if (link) link.click();
      else location.assign(at);
      return true;
    },
    async click({ at }) {
      const element = document.querySelector(at);
      if (!element) return false;
      await point(element);
      if (!stopped) element.click();
      return true;
    },
    async type({ at, text }) {
      const input = document.querySelector(at);
      if (!input) return false;
      await point(input);
      input.focus();
      input.value = "";
      for (const letter of text) {
        input.value += letter;
        await sleep(Math.min(40, pace / 40));
      }
      input.dispatchEvent(new Event("input", { bubbles: true }));
      return false;
    },
    async meet({ at }) {
      const inside = `[data-tact="${at}"] .tact-message, [data-tact-live="${at}"] .tact-message`;
      const message = await until(() => document.querySelector(inside), MEET_MS);
      state.met = message ? [...message.classList].find((name) => name.startsWith("tact-") && name !== "tact-message").slice(5) : "";
      if (message) await point(message);
      else if (!stopped) said.textContent = "No message: this visitor is in the holdout, or the policy keeps silent now.";
      return false;
    },
    async wait({ wait_s }) {
      await sleep(Math.min(1000 * wait_s, 10 * pace));
      return false;
    },
  };

  async function play() {
    say(state.at ? state.steps[state.at - 1].say : state.first);
    await until(() => window.tact && window.tact.last, 2000);
    await sleep(pace);
    while (!stopped && state.at < state.steps.length) {
      const step = state.steps[state.at];
      state.at += 1;
      say(step.say);
      save();
      if (await DO[step.do](step)) return;
      await sleep(pace / 2);
    }
    if (!stopped) end();
  }

  function end() {
    sessionStorage.removeItem(NAME);
    place.textContent = " the end";
    stop.textContent = "Close";
    root.dataset.met = state.met || "";
    root.dataset.journey = "done";
  }

  play();
})();
