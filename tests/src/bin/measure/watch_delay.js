// Writes down, once a second and from now on, the delay that the window shows: the whole on its button and the parts in
// the sheet that is open beside it. What is not shown is not written down.
const read = () => {
  const button = document.querySelector('button.delay[aria-expanded="true"]');
  const sheet = document.querySelector('[role="dialog"] dl');
  if (!button || !sheet) return;
  const words = (element, tag) => element.querySelector(tag).textContent.trim();
  const parts = [...sheet.children].map((row) => [words(row, 'dt'), parseInt(words(row, 'dd'), 10)]);
  window.shownDelays.push({ totalMs: parseInt(button.textContent, 10), parts });
};
window.shownDelays = [];
setInterval(read, 1_000);
