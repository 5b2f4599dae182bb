/** What every test in a browser needs: a page over a committed state, and an ear for what goes wrong in it. */
import type { ConsoleMessage, Page } from '@playwright/test';
import type { WindowName } from '../fixtures/windows';

type Wish = { window: WindowName | (string & {}); theme?: string; language?: string };

export async function open(page: Page, { window, theme = 'light', language = 'en' }: Wish): Promise<void> {
  await page.goto(`/?window=${encodeURIComponent(window)}&theme=${theme}&language=${language}`);
}

/** Errors of the page itself; a journey ends with none. */
export function complaints(page: Page, heard: string[] = []): string[] {
  page.on('pageerror', (error) => heard.push(error.message));
  page.on('console', (message) => isComplaint(message) && heard.push(message.text()));
  return heard;
}

/** Chromium logs every refusal and every lost connection as an error of the network; those are shown in words. */
function isComplaint(message: ConsoleMessage): boolean {
  return message.type() === 'error' && !/^(Failed to load resource|WebSocket connection to)/.test(message.text());
}
