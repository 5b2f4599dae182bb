/** What the window is like: how large, which theme, how much motion. */
import { MediaQuery } from 'svelte/reactivity';
import type { Theme } from '../backend/backend';

export class Screen {
  #mini = new MediaQuery('(max-height: 150px)');
  #narrow = new MediaQuery('(max-width: 759px)');
  #wide = new MediaQuery('(min-width: 1040px)');
  #dark = new MediaQuery('(prefers-color-scheme: dark)');

  get mini(): boolean {
    return this.#mini.current;
  }

  /** One column; the hands are a sheet from below. */
  get narrow(): boolean {
    return this.#narrow.current;
  }

  /** Room for the sidebar beside stage and hands. */
  get wide(): boolean {
    return this.#wide.current;
  }

  resolve(theme: Theme): 'light' | 'dark' {
    if (theme !== 'system') return theme;
    return this.#dark.current ? 'dark' : 'light';
  }
}
