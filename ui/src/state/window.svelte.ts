/** What the window is like: how large, which theme, and what of it is folded away. */
import { MediaQuery } from 'svelte/reactivity';
import { online } from 'svelte/reactivity/window';
import type { Theme } from '../backend/backend';

export class Screen {
  /** The hands sheet (narrow) is up, or the hands panel (wide) is folded away. */
  handsSheet = $state(false);
  handsFolded = $state(false);
  sidebarFolded = $state(false);
  /** The chat stands beside the stage, in the place of the hands, or (narrow) is a sheet. */
  chatShown = $state(false);
  /** The six reactions stand there to be chosen from. */
  reactionsShown = $state(false);
  /** The person made the window a small bar. */
  small = $state(false);
  /** Home is looked at while one stays in the room. */
  atHome = $state(false);
  #mini = new MediaQuery('(max-height: 150px)');
  #narrow = new MediaQuery('(max-width: 759px)');
  #wide = new MediaQuery('(min-width: 1040px)');
  #dark = new MediaQuery('(prefers-color-scheme: dark)');

  /** The system says that there is a network. */
  get online(): boolean {
    return online.current ?? true;
  }

  get mini(): boolean {
    return this.small || this.#mini.current;
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
