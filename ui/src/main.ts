/** Opens the window: over the shell, or over the house that served the page in a plain browser. */
import { mount } from 'svelte';
import App from './App.svelte';
import type { Backend, WindowBackend } from './backend/backend';
import { loadAgain } from './backend/load_again';
import '@fontsource-variable/figtree/wght.css';
import './style/tokens.css';
import './style/base.css';

type Backends = { backend: Backend; windowBackend: WindowBackend };

const inBrowser = import.meta.env.MODE === 'browser' || (import.meta.env.DEV && !('__TAURI_INTERNALS__' in window));

async function backends(): Promise<Backends> {
  if (inBrowser) {
    const { HouseBackend } = await loadAgain(() => import('./backend/house'));
    const house = await HouseBackend.make(location);
    return { backend: house, windowBackend: house.window };
  }
  const { tauri } = await import('./backend/tauri');
  return { backend: tauri, windowBackend: tauri };
}

const target = document.getElementById('app');
if (target) void backends().then((props) => mount(App, { target, props }));
