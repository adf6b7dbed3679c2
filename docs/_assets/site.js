// Names and keyboard access that the theme leaves out, for screen readers and without a mouse.
// Invariant: only attributes are added, so the page works the same without this script.
function name(element, label) {
  if (element && !element.hasAttribute("aria-label")) element.setAttribute("aria-label", label)
}

function complete() {
  name(document.querySelector("[data-md-component=search]"), "Search")
  document.querySelectorAll(".md-code__nav").forEach((nav, i) => name(nav, `Code block ${i + 1}`))
  // "estimate" and "Estimate" are the same label to a screen reader.
  document.querySelectorAll(".md-nav--secondary nav[aria-label]").forEach((nav, i) => {
    nav.ariaLabel = `Section ${i + 1}: ${nav.ariaLabel.replace(/^Section \d+: /, "")}`
  })
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0")
  }
}

complete()
// The theme adds the buttons of code blocks and the frames of tables after the page has loaded.
new MutationObserver(complete).observe(document.body, { childList: true, subtree: true })
addEventListener("resize", complete)
