// Finds what a person would find: the first visible, usable element of a role (WAI-ARIA) whose accessible name matches
// a pattern. Arguments: role, pattern, what must be in the same list item or region (a pattern, or null).
const [role, pattern, near] = arguments;

const IMPLICIT = {
  A: 'link', ARTICLE: 'article', BUTTON: 'button', DIALOG: 'dialog', FORM: 'form', H1: 'heading', H2: 'heading',
  H3: 'heading', H4: 'heading', LI: 'listitem', MAIN: 'main', OL: 'list', OUTPUT: 'status', SECTION: 'region',
  SELECT: 'combobox', TEXTAREA: 'textbox', UL: 'list',
};
const INPUTS = { button: 'button', checkbox: 'checkbox', radio: 'radio', range: 'slider', search: 'searchbox', submit: 'button' };

const tidy = (text) => (text ?? '').replace(/\s+/g, ' ').trim();
const roleOf = (element) =>
  element.getAttribute('role') ??
  (element.tagName === 'INPUT' ? (INPUTS[element.type] ?? 'textbox') : IMPLICIT[element.tagName]);

function spoken(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || node.getAttribute('aria-hidden') === 'true') return '';
  const label = node.getAttribute('aria-label');
  return label ?? [...node.childNodes].map(spoken).join(' ');
}

function nameOf(element) {
  const ids = element.getAttribute('aria-labelledby');
  if (ids) return tidy(ids.split(/\s+/).map((id) => spoken(document.getElementById(id) ?? document.createTextNode(''))).join(' '));
  const label = element.getAttribute('aria-label');
  if (label) return tidy(label);
  if (element.labels?.length) return tidy([...element.labels].map(spoken).join(' '));
  return tidy(spoken(element)) || tidy(element.placeholder) || tidy(element.title);
}

const isUsable = (element) =>
  element.checkVisibility({ visibilityProperty: true }) && !element.closest('[inert], [aria-hidden="true"]');
const matches = (text, source) => new RegExp(source, 'iu').test(text);
const isNear = (element) => {
  const around = element.closest('li, article, [role="listitem"], [role="group"], section, [role="region"], dialog');
  return near === null || (around !== null && matches(tidy(around.innerText), near));
};
// A modal dialog makes everything behind it unusable.
const modal = [...document.querySelectorAll('dialog:modal, [aria-modal="true"]')].pop();
const scope = modal ?? document;

return [...scope.querySelectorAll('*'), ...(modal ? [modal] : [])].find(
  (element) => roleOf(element) === role && isUsable(element) && matches(nameOf(element), pattern) && isNear(element),
) ?? null;
