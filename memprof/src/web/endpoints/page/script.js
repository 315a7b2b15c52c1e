// Fetches the page every two seconds and replaces its content.
"use strict";

const EVERY_MS = 2000;
const PATIENCE_MS = 30000;

const refreshes = document.getElementById("refreshes");
const state = document.getElementById("state");

// A refresh would clear the selection.
function isMarkingText() {
  const selection = getSelection();
  return !selection.isCollapsed && document.querySelector("main").contains(selection.anchorNode);
}

// Sections scroll sideways if their table is wider than the window.
function sections() {
  return [...document.querySelectorAll("main section")];
}

async function refresh() {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(location.pathname, { cache: "no-store", signal });
  if (!response.ok) throw new Error(String(response.status));
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const scrolled = sections().map((section) => section.scrollLeft);
  document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
  sections().forEach((section, place) => { section.scrollLeft = scrolled[place]; });
}

async function goOn() {
  if (refreshes.checked && !document.hidden && !isMarkingText()) {
    try {
      await refresh();
      state.textContent = "";
    } catch {
      state.textContent = "The process doesn't answer.";
    }
  }
  setTimeout(goOn, EVERY_MS);
}

if (refreshes) setTimeout(goOn, EVERY_MS);
