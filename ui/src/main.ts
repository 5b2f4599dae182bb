/** Opens the window: over the shell, or over the fake house in a plain browser during development. */
import { mount } from 'svelte';
import App from './App.svelte';
import type { Backend } from './backend/backend';
import '@fontsource-variable/figtree/wght.css';
import './style/tokens.css';
import './style/base.css';

async function chooseBackend(): Promise<Backend> {
  if ((import.meta.env.DEV || import.meta.env.MODE === 'fake') && !('__TAURI_INTERNALS__' in window)) {
    const { fakeFromQuery } = await import('./backend/fake');
    const fake = fakeFromQuery(location.search);
    // Journeys play the other people of the house through this.
    Object.assign(window, { fakeHouse: fake });
    return fake;
  }
  const { tauri } = await import('./backend/tauri');
  return tauri;
}

/** The greeting in pictures does not depend on when they are taken. */
function today(): () => Date {
  const still = new URLSearchParams(location.search).has('still');
  return still ? () => new Date(2026, 5, 5, 19, 30) : () => new Date();
}

const target = document.getElementById('app');
if (target) {
  void chooseBackend().then((backend) => mount(App, { target, props: { backend, today: today() } }));
}
