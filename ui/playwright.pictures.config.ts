import { defineConfig } from '@playwright/test';
import journeys from './playwright.config';

/** `npm run pictures`: the window in its sizes and themes, to look at. */
export default defineConfig({ ...journeys, testDir: 'tests/pictures', projects: [{ name: 'pictures', testMatch: '*.ts' }] });
