/** Opens the window: over the shell, or over the fake house in a plain browser during development. */
import { mount } from 'svelte';
import App from './App.svelte';
import type { Backend } from './backend/backend';
import '@fontsource-variable/figtree/wght.css';
import './style/tokens.css';
import './style/base.css';

type Surroundings = { backend: Backend; today?: () => Date };

async function surroundings(): Promise<Surroundings> {
  if ((import.meta.env.DEV || import.meta.env.MODE === 'fake') && !('__TAURI_INTERNALS__' in window)) {
    const { fakeFromQuery, fakeToday } = await import('./backend/fake/address');
    const backend = fakeFromQuery(location.search);
    // Journeys play the other people of the house through this.
    Object.assign(window, { fakeHouse: backend });
    return { backend, today: fakeToday };
  }
  const { tauri } = await import('./backend/tauri');
  return { backend: tauri };
}

const target = document.getElementById('app');
if (target) void surroundings().then((props) => mount(App, { target, props }));
